//! Writing HTML from untrusted text.

/// Text as it may stand in an element or a quoted attribute. Control characters that HTML forbids become �, visible.
pub(super) fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            '\n' | '\t' => safe.push(c),
            '\r' => {}
            _ if c.is_control() => safe.push('\u{fffd}'),
            _ => safe.push(c),
        }
    }
    safe
}

/// What `write` makes of each item, one after the other.
pub(super) fn joined<T>(items: impl IntoIterator<Item = T>, write: impl FnMut(T) -> String) -> String {
    items.into_iter().map(write).collect::<Vec<_>>().concat()
}

/// A two-column table of names and values, both escaped.
pub(super) fn name_table(rows: &[(String, String)]) -> String {
    let row = |(name, value): &(String, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>\n", escaped(name), escaped(value))
    };
    format!("<table class=\"names\"><tbody>\n{}</tbody></table>\n", joined(rows, row))
}

/// A table of numbers: a heading row, then rows of a name and values. All cells are escaped.
pub(super) fn number_table(headings: &[&str], rows: &[Vec<String>]) -> String {
    let heading = joined(headings, |text| format!("<th scope=\"col\">{}</th>", escaped(text)));
    let cell = |(index, text): (usize, &String)| match index {
        0 => format!("<th scope=\"row\">{}</th>", escaped(text)),
        _ => format!("<td>{}</td>", escaped(text)),
    };
    let body = joined(rows, |row| format!("<tr>{}</tr>\n", joined(row.iter().enumerate(), cell)));
    format!(
        "<div class=\"wide\"><table class=\"numbers\"><thead><tr>{heading}</tr></thead><tbody>\n{body}</tbody></table></div>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_cannot_become_markup() {
        assert_eq!(
            escaped("<script>alert('&\"')</script>"),
            "&lt;script&gt;alert(&#39;&amp;&quot;&#39;)&lt;/script&gt;"
        );
        assert_eq!(escaped("a\r\nb\tc\0d\u{1b}[31m"), "a\nb\tc\u{fffd}d\u{fffd}[31m");
        assert_eq!(escaped("שלום 🙂 é"), "שלום 🙂 é");
    }

    proptest! {
        #[test]
        fn nothing_that_html_acts_on_is_left(text: String) {
            let safe = escaped(&text);
            prop_assert!(!safe.contains(['<', '>', '"', '\'', '\0']));
            let unescaped = safe.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&#39;", "'").replace("&amp;", "&");
            let expected: String = text.chars().filter(|c| *c != '\r').map(|c| if c.is_control() && c != '\n' && c != '\t' { '\u{fffd}' } else { c }).collect();
            prop_assert_eq!(unescaped, expected);
        }
    }
}
