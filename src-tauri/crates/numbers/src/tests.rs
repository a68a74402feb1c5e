//! Numbers as they are written; and the table that the page's tests go by.

use super::*;
use std::fmt::Write;
use std::path::Path;

/// Where the page's tests find the table.
const TABLE: &str = "../../../ui/src/numbers.fixture.ts";

#[test]
fn each_kind_of_number_has_one_form() {
    assert_eq!([0, 999, 1000, 1_234_567].map(count), ["0", "999", "1,000", "1,234,567"]);
    assert_eq!(counted(1, "pair", "pairs") + &counted(12_345, " pair", " pairs"), "1 pair12,345  pairs");
    assert_eq!([0.0, 0.6, 0.607, 1.0, -0.05].map(percent), ["0.0 %", "60.0 %", "60.7 %", "100.0 %", "−5.0 %"]);
    assert_eq!(interval(0.559, 0.829), "55.9 to 82.9 %");
    assert_eq!(share(0.712, (0.559, 0.829)), "71.2 % (95 % interval 55.9 to 82.9 %)");
    assert_eq!([0.0312, 0.5, 1.0, 0.0009, 0.001].map(p_value), ["0.031", "0.50", "1.0", "< 0.001", "0.0010"]);
    let figures = [0.0, 0.612_345, 5e-5, -1.5e-7, 123_456.0, 1e6, 2.5e9, f64::NAN];
    assert_eq!(figures.map(figure), ["0", "0.612", "5e-5", "−1.5e-7", "123000", "1e6", "2.5e9", "–"]);
    assert_eq!([0.314, -0.314, 0.004, -0.004].map(signed), ["+0.31", "−0.31", "0.00", "0.00"]);
    assert_eq!([-12.34, 0.0].map(tenths), ["−12.3", "0.0"]);
    assert_eq!([0.4, 61.5, 90.0, 7500.0, 7200.0].map(duration), ["0 s", "62 s", "2 min", "2 h 5 min", "2 h"]);
    let sizes = [0, 999, 1000, 1_400_000_000, 999_499_999, 999_600_000, 12_340_000_000];
    assert_eq!(sizes.map(size), ["0 B", "999 B", "1.0 kB", "1.4 GB", "999 MB", "1.0 GB", "12.3 GB"]);
}

#[test]
fn what_is_just_between_two_numbers_is_rounded_as_the_page_rounds_it() {
    // All of these are exact in binary.
    assert_eq!([0.0625, 0.1875, -0.0625].map(percent), ["6.3 %", "18.8 %", "−6.3 %"]);
    assert_eq!([0.125, -0.125].map(signed), ["+0.13", "−0.13"]);
    assert_eq!([0.3125, 1.125, 2048.5].map(figure), ["0.313", "1.13", "2050"]);
}

#[test]
fn compared_numbers_have_the_digits_that_tell_them_apart() {
    let both = [compared(0.612_35, 0.527), compared(0.612_35, 0.612_22), compared(0.5, 0.5)];
    let of = |one: &str, other: &str| (one.to_owned(), other.to_owned());
    assert_eq!(both, [of("0.612", "0.527"), of("0.6123", "0.6122"), of("0.5", "0.5")]);
}

/// Values of all sizes and both signs, with those just between two numbers.
fn values() -> Vec<f64> {
    let mut values =
        vec![0.0, 1.0, 0.0625, 0.125, 0.1875, 0.3125, 0.375, 0.5, 0.875, 0.9995, 0.99951, 1e-7, 0.004, 0.005];
    values
        .extend([1.005, 1.125, 6.25, 9.95, 12.5, 99.95, 1023.5, 2048.5, 12_345.678, 999_999.4, 999_999.6, 1e6, 3.5e9]);
    // Some of any size, always the same.
    let mut seed = 7_u64;
    for _ in 0..18 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let digits = (seed >> 40) as f64 / f64::from(1 << 24);
        values.push(digits * 10_f64.powi((seed >> 32 & 15) as i32 - 8));
    }
    let below: Vec<f64> = values.iter().filter(|value| **value > 0.0).map(|value| -value).collect();
    values.extend(below);
    values
}

/// The table: of each kind a value with its text.
fn table() -> String {
    let mut text = "// Written with `bindings.ts` from the crate `numbers`, for tests: do not edit.\n\n\
                    export const NUMBERS: [kind: string, value: number, text: string][] = [\n"
        .to_owned();
    let mut row = |kind: &str, value: f64, written: String| {
        let _ = writeln!(text, "  [\"{kind}\", {value:?}, \"{written}\"],");
    };
    for value in values() {
        row("figure", value, figure(value));
        row("signed", value, signed(value));
        row("tenths", value, tenths(value));
        if (-1.0..=1.0).contains(&value) {
            row("percent", value, percent(value));
        }
        if (0.0..=1.0).contains(&value) {
            row("interval", value, interval(value / 2.0, value));
            row("p_value", value, p_value(value));
        }
        if value >= 0.0 {
            row("duration", value, duration(value));
            row("count", value.floor(), count(value as usize));
            row("bytes", value.floor(), size(value as u64));
        }
    }
    text + "];\n"
}

#[test]
fn the_pages_tests_have_the_numbers_as_they_are_written() {
    let path = Path::new(TABLE);
    if std::env::var_os("TIEBREAK_WRITE_BINDINGS").is_some() {
        std::fs::write(path, table()).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(committed == table(), "{TABLE} is stale: run `TIEBREAK_WRITE_BINDINGS=1 cargo test -p numbers`");
}
