use std::time::{Duration, SystemTime};

use prefs::Message;

use super::with_template;
use crate::Error;

fn render(template: &str) -> String {
    let messages = [Message::new("user", "Hi \"you\" é"), Message::new("assistant", " yes\n")];
    with_template(template).render(&messages, true).unwrap()
}

#[test]
fn blocks_are_trimmed_as_transformers_does() {
    assert_eq!(render("  {% if true %}\n  a\n  {% endif %}\nb\n"), "  a\nb");
    assert_eq!(render("a\n  {# a remark #}\nb"), "a\nb");
}

/// What Python 3.11 with Jinja 3.1 and the filters of transformers 5 prints.
#[test]
fn values_are_printed_as_python_does() {
    assert_eq!(
        render("{{ none }} {{ true }} {{ 1.0 }} {{ 1e20 }} {{ 5 / 2 }} {{ nothing }}|"),
        "None True 1.0 1e+20 2.5 |"
    );
    assert_eq!(render("{{ [1, 'a', \"it's\", none, false] }}"), "[1, 'a', \"it's\", None, False]");
    assert_eq!(render("{{ {'a': [], 'b': {}} }}"), "{'a': [], 'b': {}}");
    assert_eq!(render("{{ ['a', true]|join('-') }} {{ none|string }}"), "a-True None");
    assert_eq!(render("{{ messages[1] }}"), "{'role': 'assistant', 'content': ' yes\\n'}");
    assert_eq!(render("{{ tools is none }} {{ documents is defined }} {{ eos_token }}"), "True True <|im_end|>");
}

#[test]
fn json_is_written_as_python_does() {
    assert_eq!(render("{{ messages[0]|tojson }}"), r#"{"role": "user", "content": "Hi \"you\" é"}"#);
    assert_eq!(
        render("{{ {'b': [1, 2.0], 'a': none}|tojson(indent=2) }}"),
        "{\n  \"b\": [\n    1,\n    2.0\n  ],\n  \"a\": null\n}"
    );
    assert_eq!(
        render("{{ {'b': [], 'a': true}|tojson(sort_keys=true, separators=(',', ':')) }}"),
        r#"{"a":true,"b":[]}"#
    );
    assert_eq!(render("{{ '<é😀>\x07'|tojson(ensure_ascii=true) }}"), r#""<\u00e9\ud83d\ude00>\u0007""#);
}

#[test]
fn what_templates_do_with_text_works() {
    assert_eq!(render("{{ messages[1].content.strip() }}|{{ messages[1]['content']|trim }}|"), "yes|yes|");
    assert_eq!(
        render("{{ 'a</think>b'.split('</think>')[-1] }} {{ 'ab'[0] }} {{ 'abc'[1:] }} {{ 'ab'[::-1] }}"),
        "b a bc ba"
    );
    assert_eq!(
        render("{{ 'x' is sequence }} {{ messages is sequence }} {{ messages[0] is mapping }}"),
        "True True True"
    );
    assert_eq!(
        render("{% for m in messages %}{% if loop.first %}{% continue %}{% endif %}{{ m.role }}{% endfor %}"),
        "assistant"
    );
    assert_eq!(
        render("{% set ns = namespace(n=0) %}{% for m in messages %}{% set ns.n = ns.n + 1 %}{% endfor %}{{ ns.n }}"),
        "2"
    );
    assert_eq!(
        render("{% for k, v in messages[0].items() %}{{ k }};{% endfor %}{{ messages[0].get('x', 'none') }}"),
        "role;content;none"
    );
}

#[test]
fn generation_blocks_show_what_they_hold_in_a_scope_of_their_own() {
    let template = "{% set x = 1 %}{%- generation -%}\n {% set x = 2 %}{{ x }} {%- endgeneration %}{{ x }}";
    assert_eq!(render(template), "21");
    assert_eq!(render("{% generation %}\na\n{% endgeneration %}\nb"), "a\nb");
    assert_eq!(render("generation {{ '{%' }}"), "generation {%");
}

#[test]
fn the_clock_can_be_set() {
    let mut tokenizer = with_template("{{ strftime_now('%d %b %Y') }}");
    assert!(tokenizer.reads_clock());
    // Noon, so that it is the same day in every time zone but the very last ones.
    tokenizer.set_time(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_049_600 - 6 * 3600));
    let messages = [Message::new("user", "")];
    assert_eq!(tokenizer.render(&messages, false).unwrap(), "15 Nov 2023");
    assert!(!with_template("{{ 1 }}").reads_clock());
    let odd = with_template("{{ strftime_now('%Q') }}");
    assert!(matches!(odd.render(&messages, false), Err(Error::Template(message)) if message.contains("%Q")));
}

#[test]
fn what_is_not_supported_is_an_error() {
    let messages = [Message::new("user", "")];
    for (template, named) in [
        ("{{ 'a'|nofilter }}", "nofilter"),
        ("{{ 'a'.zfill(3) }}", "zfill"),
        ("{{ nothing.at.all }}", "undefined"),
        ("{{ messages|tojson(colour=1) }}", "colour"),
        ("{% include 'other' %}", "other"),
        ("{{ range }}", "printed"),
    ] {
        match with_template(template).render(&messages, false) {
            Err(Error::Template(message)) => assert!(message.contains(named), "{template}: {message}"),
            other => panic!("{template}: {other:?}"),
        }
    }
}
