// Numbers as the program writes them, for sentences that tests compute anew.

/** Significant digits; what is very small or very large as `5e-5`. */
export function figure(value, digits = 3) {
  const size = Math.abs(value);
  const text = size !== 0 && (size < 1e-3 || size >= 1e6) ? value.toExponential(digits - 1).replace(/\.?0+e/, "e").replace("e+", "e") : String(Number(value.toPrecision(digits)));
  return text.replace(/^-/, "−");
}

/** Two numbers that are compared, with as many digits as tell them apart. */
export function compared(one, other) {
  const tried = [3, 4, 5, 6, 7].map((digits) => [figure(one, digits), figure(other, digits)]);
  return tried.find(([one, other]) => one !== other) ?? tried[0];
}
