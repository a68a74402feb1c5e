//! How numbers are written in sentences, tables and reports. The page writes them alike (`ui/src/format.ts`): a table of values that
//! is made here is what its tests go by.

/// A minus sign in the place of the hyphen before a number; that of an exponent stays, as in `2e-4`.
fn minus(text: &str) -> String {
    text.strip_prefix('-').map_or_else(|| text.to_owned(), |size| format!("\u{2212}{size}"))
}

/// A number with so many digits after the point; one just between two is rounded away from 0, and nothing is written as minus 0.
fn fixed(value: f64, digits: usize) -> String {
    let size = value.abs();
    // Exact: a number just between two is one whose expansion ends in a single 5.
    let exact = format!("{size:.0$}", digits + 60);
    let after = exact.find('.').map_or("", |point| &exact[point + 1 + digits..]);
    let is_between = after.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|digit| digit == b'0'));
    let text = format!("{:.digits$}", if is_between { size.next_up() } else { size });
    let is_nothing = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if value < 0.0 && !is_nothing { format!("\u{2212}{text}") } else { text }
}

/// A number above 0 with so many significant digits, as `1.23e-4`; one just between two is rounded up.
fn scientific(size: f64, digits: usize) -> String {
    let exact = format!("{size:.0$e}", digits + 60);
    let (mantissa, _) = exact.split_once('e').unwrap_or((&exact, ""));
    let after = mantissa.get(digits + 1..).unwrap_or_default();
    let is_between = after.strip_prefix('5').is_some_and(|rest| rest.bytes().all(|digit| digit == b'0'));
    format!("{:.*e}", digits - 1, if is_between { size.next_up() } else { size })
}

/// `12,345`
pub fn count(count: usize) -> String {
    let digits = count.to_string();
    let parts: Vec<&str> =
        digits.as_bytes().rchunks(3).rev().map(|part| std::str::from_utf8(part).unwrap_or_default()).collect();
    parts.join(",")
}

/// A name with its number, in the plural where that is due: `1 pair`, `12,345 pairs`.
pub fn counted(number: usize, one: &str, several: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { several })
}

/// A share from 0 to 1 as `62.5 %`.
pub fn percent(share: f64) -> String {
    format!("{} %", fixed(share * 100.0, 1))
}

/// Both ends of an interval of a share: `55.9 to 82.9 %`.
pub fn interval(low: f64, high: f64) -> String {
    format!("{} to {}", fixed(low * 100.0, 1), percent(high))
}

/// A share with its interval: `71.2 % (95 % interval 55.9 to 82.9 %)`.
pub fn share(share: f64, (low, high): (f64, f64)) -> String {
    format!("{} (95 % interval {})", percent(share), interval(low, high))
}

/// A p value: `0.031`, `< 0.001`.
pub fn p_value(p: f64) -> String {
    if p < 0.001 { "< 0.001".to_owned() } else { significant(p, 2) }
}

/// So many significant digits, noughts at the end among them, of a number from 0.001 to below a million.
fn significant(size: f64, digits: usize) -> String {
    let text = scientific(size, digits);
    let exponent: i32 = text.split_once('e').and_then(|(_, exponent)| exponent.parse().ok()).unwrap_or(0);
    fixed(size, (digits as i32 - 1 - exponent).max(0) as usize)
}

/// A number such as a loss or a setting: three significant digits, very small and very large ones as `5e-5`.
pub fn figure(value: f64) -> String {
    figure_of(value, 3)
}

/// Two numbers that are compared, with as many digits as tell them apart: `0.612` and `0.527`, or `0.6123` and `0.6122`.
pub fn compared(one: f64, other: f64) -> (String, String) {
    let with = |digits| (figure_of(one, digits), figure_of(other, digits));
    (3..8).map(with).find(|(one, other)| one != other).unwrap_or_else(|| with(3))
}

fn figure_of(value: f64, digits: usize) -> String {
    if !value.is_finite() {
        return "\u{2013}".to_owned();
    }
    let size = value.abs();
    if size == 0.0 {
        return "0".to_owned();
    }
    let text = scientific(size, digits);
    let sign = if value < 0.0 { "-" } else { "" };
    if (1e-3..1e6).contains(&size) {
        let rounded: f64 = text.parse().unwrap_or(size);
        return minus(&format!("{sign}{rounded}"));
    }
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let mantissa = if mantissa.contains('.') { mantissa.trim_end_matches('0').trim_end_matches('.') } else { mantissa };
    minus(&format!("{sign}{mantissa}e{exponent}"))
}

/// A reward, a margin or what one has moved by: `+0.31`, `−0.31`, `0.00`.
pub fn signed(value: f64) -> String {
    let text = fixed(value, 2);
    let is_nothing = text.bytes().all(|byte| matches!(byte, b'0' | b'.'));
    if value > 0.0 && !is_nothing { format!("+{text}") } else { text }
}

/// A mean or a log-probability: one digit after the point.
pub fn tenths(value: f64) -> String {
    fixed(value, 1)
}

/// `45 s`, `3 min`, `2 h 5 min`
pub fn duration(seconds: f64) -> String {
    if seconds < 90.0 {
        return format!("{} s", seconds.max(0.0).round());
    }
    let minutes = (seconds / 60.0).round() as u64;
    match (minutes / 60, minutes % 60) {
        _ if minutes < 90 => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

/// Bytes as `512 MB`, `12.3 GB`: powers of 1000, as disks and downloads are sold.
pub fn size(bytes: u64) -> String {
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let (mut number, mut unit) = (bytes as f64 / 1000.0, "kB");
    for larger in ["MB", "GB", "TB"] {
        if number < 999.5 {
            break;
        }
        (number, unit) = (number / 1000.0, larger);
    }
    // Of memory a tenth of a gigabyte decides.
    let is_large = matches!(unit, "GB" | "TB");
    if number < if is_large { 99.95 } else { 9.95 } {
        return format!("{} {unit}", fixed(number, 1));
    }
    format!("{} {unit}", number.round())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
