type Direction = 1 | -1;

/** Steps from pair to pair, one after the other: a second key while the first is on its way counts, too. */
export class Steps {
  #last: Promise<boolean> = Promise.resolve(true);
  #turn = 0;

  /** `stepped` says whether another pair is open now, and gives up once a step is not meant any more. */
  constructor(private readonly stepped: (by: Direction, isMeant: () => boolean) => Promise<boolean>) {}

  step(by: Direction): Promise<boolean> {
    const turn = this.#turn;
    const isMeant = () => turn === this.#turn;
    this.#last = this.#last.then(() => isMeant() && this.stepped(by, isMeant)).catch(() => false);
    return this.#last;
  }

  /** None is open any more: no step that is still on its way opens one. */
  end(): void {
    this.#turn += 1;
  }
}
