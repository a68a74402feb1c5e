/** The page's one live region: what a screen reader says next. */
class Announcer {
  text = $state("");

  say(sentence: string): void {
    // The same sentence twice is two events: a no-break space makes it new.
    this.text = this.text === sentence ? `${sentence}\u00a0` : sentence;
  }
}

export const announcer = new Announcer();
