/** Which of `count` rows of one height are to be drawn: those in view and a few beyond, `first` to before `end`. */
export function windowOf(scrollTop: number, height: number, rowHeight: number, count: number, beyond = 6): { first: number; end: number } {
  const first = Math.floor(scrollTop / rowHeight) - beyond;
  const end = Math.ceil((scrollTop + height) / rowHeight) + beyond;
  const clamp = (index: number) => Math.min(Math.max(index, 0), count);
  return { first: clamp(first), end: clamp(end) };
}

/** Where to scroll so that a row is wholly in view; where it is already, that is where it stays. */
export function scrollTo(index: number, scrollTop: number, height: number, rowHeight: number): number {
  const top = index * rowHeight;
  if (top < scrollTop) return top;
  const bottom = top + rowHeight;
  return bottom > scrollTop + height ? bottom - height : scrollTop;
}
