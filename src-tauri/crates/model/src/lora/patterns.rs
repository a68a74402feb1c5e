//! PEFT's patterns: regular expressions for the names of modules, as Python's `re` reads them.

use fancy_regex::Regex;
use serde::de::{MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// Values for linears whose names match a pattern, written as a table and tried in its order: the first that matches
/// counts.
#[derive(Debug, Clone, PartialEq)]
pub struct Patterns<T>(pub Vec<(String, T)>);

impl<T> Default for Patterns<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Patterns<T> {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The patterns.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// The value for the linear of this name, by PEFT's `get_pattern_key`.
    pub fn of(&self, linear: &str) -> Option<&T> {
        self.0.iter().find(|(key, _)| matches(key, linear)).map(|(_, value)| value)
    }
}

/// Whether a name ends with what the pattern matches, from its beginning or from a dot on. A pattern that is none, or that
/// needs too long, matches nothing.
pub(super) fn matches(key: &str, name: &str) -> bool {
    tail(key).is_ok_and(|pattern| pattern.is_match(name).unwrap_or(false))
}

/// PEFT's `re.match(rf"(.*\.)?({key})$", …)`.
pub(super) fn tail(key: &str) -> Result<Regex, fancy_regex::Error> {
    Regex::new(&format!(r"\A(.*\.)?({key})\z"))
}

/// PEFT's `re.fullmatch(pattern, …)`.
pub(super) fn whole(pattern: &str) -> Result<Regex, fancy_regex::Error> {
    Regex::new(&format!(r"\A(?:{pattern})\z"))
}

impl<T: Serialize> Serialize for Patterns<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (key, value) in &self.0 {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Patterns<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct InOrder<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for InOrder<T> {
            type Value = Patterns<T>;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a table of patterns for module names")
            }

            fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Patterns<T>, M::Error> {
                let mut patterns = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    patterns.push(entry);
                }
                Ok(Patterns(patterns))
            }
        }

        deserializer.deserialize_map(InOrder(PhantomData))
    }
}
