//! Who does something: a name that stands in histories.

use crate::error::{Error, Result};

/// The longest name, in characters.
const LONGEST: usize = 80;

/// The name without spaces around it.
///
/// # Errors
/// When there is none, or it is too long or not on one line.
pub(super) fn signed(who: &str) -> Result<String> {
    let who = who.trim();
    if who.is_empty() || who.chars().count() > LONGEST || who.chars().any(char::is_control) {
        let message = "this is no name of somebody who changes things";
        return Err(Error::new("who", message, format!("Give a name of 1 to {LONGEST} characters, on one line.")));
    }
    Ok(who.to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_on_one_line() {
        assert_eq!(signed(" Ann Ö. ").unwrap(), "Ann Ö.");
        for wrong in ["", "  ", "a\nb", "a\0", &"x".repeat(81)] {
            assert_eq!(signed(wrong).unwrap_err().code, "who", "{wrong:?}");
        }
    }
}
