//! What looks like personal data: addresses and numbers by which somebody can be reached or paid. They are counted by kind and
//! never repeated. Only forms that are hardly anything else are taken; names and postal addresses are not looked for.

use std::net::{Ipv4Addr, Ipv6Addr};

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Email,
    Phone,
    Iban,
    Card,
    IpAddress,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::Email, Self::Phone, Self::Iban, Self::Card, Self::IpAddress];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Email => "e-mail address",
            Self::Phone => "phone number",
            Self::Iban => "IBAN",
            Self::Card => "card number",
            Self::IpAddress => "IP address",
        }
    }
}

/// The kinds that a text holds, each once, in the order of [`Kind::ALL`].
pub(super) fn kinds(text: &str) -> Vec<Kind> {
    let bytes = text.as_bytes();
    let mut found = [false; Kind::ALL.len()];
    let mut at = 0;
    while at < bytes.len() {
        let byte = bytes[at];
        let starts = at == 0 || !is_inside(bytes[at - 1]);
        let mut next = at + 1;
        let mut take = |kind: Kind, length: Option<usize>| {
            if let Some(length) = length {
                found[kind as usize] = true;
                next = next.max(at + length);
            }
        };
        match byte {
            b'@' => take(Kind::Email, email(bytes, at)),
            b'+' | b'(' => take(Kind::Phone, phone(bytes, at)),
            b'0'..=b'9' if starts => {
                take(Kind::Card, card(bytes, at));
                take(Kind::Phone, american(bytes, at));
                take(Kind::IpAddress, address(text, at));
            }
            b'A'..=b'Z' if starts => {
                take(Kind::Iban, iban(bytes, at));
                take(Kind::IpAddress, address(text, at));
            }
            b'a'..=b'f' if starts => take(Kind::IpAddress, address(text, at)),
            _ => {}
        }
        at = next;
    }
    Kind::ALL.into_iter().filter(|kind| found[*kind as usize]).collect()
}

/// Whether a byte before a number or name makes it a part of something longer.
fn is_inside(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(byte, b'.' | b'_' | b'-' | b':' | b'/' | b'$' | b'#' | b'=')
        || byte >= 0x80
}

/// An address around the `@` at `at`, with the length from there. Not one of a domain that is reserved for examples, and of
/// domains only those that end as domains of people do: `x@W.transpose` is a product.
fn email(bytes: &[u8], at: usize) -> Option<usize> {
    const ENDS: [&str; 30] = [
        "com", "org", "net", "edu", "gov", "mil", "int", "info", "biz", "name", "dev", "app", "cloud", "online",
        "email", "tech", "xyz", "site", "shop", "store", "live", "pro", "world", "club", "agency", "museum", "academy",
        "bank", "health", "law",
    ];
    /// Country codes that are also what attributes and methods are called.
    const NOT_ENDS: [&str; 8] = ["py", "js", "rs", "sh", "md", "so", "id", "mm"];
    let local = bytes[..at].iter().rev().take_while(|b| b.is_ascii_alphanumeric() || b"._%+-".contains(b)).count();
    let domain: Vec<u8> = bytes[at + 1..]
        .iter()
        .take(253)
        .take_while(|b| b.is_ascii_alphanumeric() || b".-".contains(b))
        .copied()
        .collect();
    let domain = std::str::from_utf8(&domain).ok()?.trim_end_matches(['.', '-']);
    let (rest, end) = domain.rsplit_once('.')?;
    let local = std::str::from_utf8(&bytes[at - local..at]).ok()?;
    let known = ENDS.contains(&end)
        || (end.len() == 2 && end.bytes().all(|b| b.is_ascii_lowercase()) && !NOT_ENDS.contains(&end));
    let example = rest
        .rsplit('.')
        .next()
        .is_some_and(|name| matches!(name, "example" | "test" | "localhost" | "domain" | "email" | "yourdomain"));
    let of_a_machine = matches!(local, "git" | "noreply" | "no-reply" | "user" | "username" | "name" | "you");
    (!local.is_empty() && known && !rest.is_empty() && !example && !of_a_machine).then_some(1 + domain.len())
}

/// `+` and a country's number, or an area's code in brackets.
fn phone(bytes: &[u8], at: usize) -> Option<usize> {
    if bytes[at] == b'(' {
        return american(bytes, at);
    }
    // A sum: the sign follows a number, or stands in a formula.
    let before = bytes[..at].iter().rev().find(|b| **b != b' ');
    if before.is_some_and(|b| {
        b.is_ascii_alphanumeric() && bytes[at - 1] != b' ' || b.is_ascii_digit() || b"+*)^=".contains(b)
    }) {
        return None;
    }
    let (length, digits, groups) = grouped(&bytes[at + 1..], b" -.()/", 24);
    let starts = bytes.get(at + 1).is_some_and(|b| (b'1'..=b'9').contains(b));
    (starts && (9..=15).contains(&digits) && (groups > 1 || digits >= 10)).then_some(1 + length)
}

/// A number as it is written in North America: `(212) 555-2368` or `212-555-2368`. 555-0100 to 555-0199 are for fiction.
fn american(bytes: &[u8], at: usize) -> Option<usize> {
    let in_brackets = bytes[at] == b'(';
    let from = at + usize::from(in_brackets);
    let digits = |place: usize, count: usize| -> Option<&[u8]> {
        let part = bytes.get(place..place + count)?;
        part.iter().all(u8::is_ascii_digit).then_some(part)
    };
    let area = digits(from, 3)?;
    let mut place = from + 3;
    if in_brackets {
        place += usize::from(bytes.get(place) == Some(&b')'));
        place += usize::from(matches!(bytes.get(place), Some(b' ' | b'-')));
    } else {
        if !matches!(bytes.get(place), Some(b'-' | b'.')) {
            return None;
        }
        place += 1;
    }
    let exchange = digits(place, 3)?;
    if !matches!(bytes.get(place + 3), Some(b'-' | b'.')) || (!in_brackets && bytes[place + 3] != bytes[from + 3]) {
        return None;
    }
    let line = digits(place + 4, 4)?;
    let ends = bytes.get(place + 8).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'-');
    let real = area[0] >= b'2' && exchange[0] >= b'2' && !(exchange == b"555" && line.starts_with(b"01"));
    (ends && real).then_some(place + 8 - at)
}

/// How far digits go with `between` single ones of these, how many digits there are, and in how many groups.
fn grouped(bytes: &[u8], between: &[u8], most: usize) -> (usize, usize, usize) {
    let (mut end, mut digits, mut groups, mut gap) = (0, 0, 0, 2);
    for (at, byte) in bytes.iter().take(most).enumerate() {
        if byte.is_ascii_digit() {
            groups += usize::from(gap > 0);
            (digits, end, gap) = (digits + 1, at + 1, 0);
        } else if between.contains(byte) && gap < 2 {
            gap += 1;
        } else {
            break;
        }
    }
    (end, digits, groups)
}

/// A number of 13 to 19 digits, in groups of at least four or in one, of a known kind of card, that passes Luhn's check
/// (ISO/IEC 7812-1).
fn card(bytes: &[u8], at: usize) -> Option<usize> {
    let mut digits = Vec::with_capacity(20);
    let (mut end, mut run, mut shortest) = (at, 0_usize, usize::MAX);
    let separator = bytes[at..].iter().find(|b| !b.is_ascii_digit()).copied().filter(|b| matches!(b, b' ' | b'-'));
    for (place, byte) in bytes.iter().enumerate().skip(at).take(24) {
        if byte.is_ascii_digit() {
            digits.push(byte - b'0');
            (end, run) = (place + 1, run + 1);
        } else if Some(*byte) == separator && bytes.get(place + 1).is_some_and(u8::is_ascii_digit) {
            shortest = shortest.min(run);
            run = 0;
        } else {
            break;
        }
    }
    let whole = bytes.get(end).is_none_or(|b| !b.is_ascii_alphanumeric() && !matches!(b, b'-' | b'_'))
        && !(bytes.get(end) == Some(&b'.') && bytes.get(end + 1).is_some_and(u8::is_ascii_digit));
    let prefix = |count: usize| digits.iter().take(count).fold(0_u32, |all, digit| all * 10 + u32::from(*digit));
    let known = match digits.len() {
        13 | 19 => prefix(1) == 4,
        15 => matches!(prefix(2), 34 | 37),
        16 => {
            prefix(1) == 4
                || (51..=55).contains(&prefix(2))
                || (2221..=2720).contains(&prefix(4))
                || prefix(4) == 6011
                || prefix(2) == 65
                || prefix(2) == 35
        }
        _ => false,
    };
    let luhn = digits.iter().rev().enumerate().fold(0_u32, |sum, (place, digit)| {
        let digit = u32::from(*digit);
        sum + if place % 2 == 0 { digit } else { digit * 2 - if digit > 4 { 9 } else { 0 } }
    });
    (whole && known && shortest >= 4 && luhn.is_multiple_of(10)).then_some(end - at)
}

/// An International Bank Account Number (ISO 13616): a country that has them, its length, and the remainder 1 of 97.
fn iban(bytes: &[u8], at: usize) -> Option<usize> {
    const LENGTHS: [(&[u8; 2], usize); 36] = [
        (b"AD", 24),
        (b"AE", 23),
        (b"AT", 20),
        (b"BE", 16),
        (b"BG", 22),
        (b"CH", 21),
        (b"CY", 28),
        (b"CZ", 24),
        (b"DE", 22),
        (b"DK", 18),
        (b"EE", 20),
        (b"ES", 24),
        (b"FI", 18),
        (b"FR", 27),
        (b"GB", 22),
        (b"GR", 27),
        (b"HR", 21),
        (b"HU", 28),
        (b"IE", 22),
        (b"IL", 23),
        (b"IS", 26),
        (b"IT", 27),
        (b"LI", 21),
        (b"LT", 20),
        (b"LU", 20),
        (b"LV", 21),
        (b"MC", 27),
        (b"MT", 31),
        (b"NL", 18),
        (b"NO", 15),
        (b"PL", 28),
        (b"PT", 25),
        (b"RO", 24),
        (b"SA", 24),
        (b"SE", 24),
        (b"TR", 26),
    ];
    let country = bytes.get(at..at + 2)?;
    let (_, length) = LENGTHS.iter().find(|(name, _)| name.as_slice() == country)?;
    let mut number = Vec::with_capacity(*length);
    let mut end = at;
    for (place, byte) in bytes.iter().enumerate().skip(at) {
        match byte {
            b'0'..=b'9' | b'A'..=b'Z' if number.len() < *length => {
                number.push(*byte);
                end = place + 1;
            }
            b' ' if number.len() < *length && number.len() % 4 == 0 => {}
            _ => break,
        }
    }
    let whole = bytes.get(end).is_none_or(|b| !b.is_ascii_alphanumeric());
    if number.len() != *length || !whole || !number[2..4].iter().all(u8::is_ascii_digit) {
        return None;
    }
    let remainder = number[4..].iter().chain(&number[..4]).fold(0_u32, |rest, byte| match byte {
        b'0'..=b'9' => (rest * 10 + u32::from(byte - b'0')) % 97,
        _ => (rest * 100 + u32::from(byte - b'A') + 10) % 97,
    });
    (remainder == 1).then_some(end - at)
}

/// An address of the public network. `1.2.3.4` numbers a section or a version more often.
fn address(text: &str, at: usize) -> Option<usize> {
    let bytes = text.as_bytes();
    let word = |may: &dyn Fn(u8) -> bool| {
        let length = bytes[at..].iter().take(46).take_while(|b| may(**b)).count();
        let goes_on = bytes.get(at + length).is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        text.get(at..at + length).filter(|_| !goes_on).map(|word| word.trim_end_matches(['.', ':']))
    };
    // A port may follow.
    if let Some((word, Ok(address))) =
        word(&|b| b.is_ascii_digit() || b == b'.').map(|word| (word, word.parse::<Ipv4Addr>()))
    {
        let [a, b, c, d] = address.octets();
        let reserved =
            address.is_private() || address.is_loopback() || address.is_link_local() || address.is_documentation();
        let special = a == 0 || a >= 224 || (a == 100 && (64..128).contains(&b)) || (a == 198 && (18..20).contains(&b));
        let section = [a, b, c, d].iter().all(|octet| *octet < 32);
        let everybodys = [[8, 8, 8, 8], [8, 8, 4, 4], [1, 1, 1, 1], [9, 9, 9, 9]].contains(&[a, b, c, d]);
        return (!(reserved || special || section || everybodys)).then_some(word.len());
    }
    let word = word(&|b| b.is_ascii_hexdigit() || matches!(b, b'.' | b':'))?;
    let address = word.parse::<Ipv6Addr>().ok()?;
    let groups = word.split(':').filter(|group| !group.is_empty()).count();
    let [a, b, ..] = address.segments();
    // 2000::/3 is the public network; 2001:db8:: is for examples.
    (groups >= 4 && a & 0xe000 == 0x2000 && !(a == 0x2001 && b == 0x0db8)).then_some(word.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_found() {
        for (text, kind) in [
            ("Write to jane.doe@posteo.de, please.", Kind::Email),
            ("<john@mail.server.com>", Kind::Email),
            ("Call +49 30 901820 today", Kind::Phone),
            ("tel:+442079460958", Kind::Phone),
            ("(212) 736-5000", Kind::Phone),
            ("at 212-736-5000.", Kind::Phone),
            ("IBAN: DE89 3704 0044 0532 0130 00", Kind::Iban),
            ("GB82WEST12345698765432", Kind::Iban),
            ("card 4111 1111 1111 1111, 12/28", Kind::Card),
            ("378282246310005", Kind::Card),
            ("from 81.169.145.12:443", Kind::IpAddress),
            ("host 2a01:4f8:c17:b0f::2 is up", Kind::IpAddress),
        ] {
            assert_eq!(kinds(text), [kind], "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_left_alone() {
        for text in [
            "y = x@W.transpose(0, 1) + b",
            "@property\ndef name(self): ...",
            "user@example.com, git@github.com",
            "12345678 + 87654321 = 99999999, 3 +4567890123",
            "π ≈ 3.14159265358979323846",
            "| 2021 | 100-200 | 300-4000 |",
            "212-555-0143 is for films",
            "section 1.2.3.4, version 10.4.12.1",
            "192.168.0.1 and 127.0.0.1 and 8.8.8.8",
            "std::vector<int> and dead::beef and 12:34:56",
            "1234567812345678",
            "4111111111111112",
            "DE89370400440532013001",
            "0x4111111111111111",
            "id=4111111111111111",
            "2024-11-30T12:00:00+01:00",
            "a+1234567890",
            "1,234,567,890 people",
            "",
            "ü@ü +",
        ] {
            assert_eq!(kinds(text), [], "{text}");
        }
    }

    #[test]
    fn all_kinds_of_a_text_are_told_once() {
        let text = "a@posteo.de, b@posteo.de, +49 30 901820, 81.169.145.12";
        assert_eq!(kinds(text), [Kind::Email, Kind::Phone, Kind::IpAddress]);
    }
}
