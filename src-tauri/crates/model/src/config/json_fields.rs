//! A JSON object from which fields are taken by type, so that what nobody took is left over at the end.

use std::path::Path;

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The fields of a `config.json`, or of an object in it, that have not been taken yet.
pub(super) struct Fields<'a> {
    pub(super) map: Map<String, Value>,
    /// For messages.
    pub(super) path: &'a Path,
}

impl Fields<'_> {
    /// Takes a field out; `null` counts as absent.
    pub(super) fn take(&mut self, name: &str) -> Option<Value> {
        self.map.remove(name).filter(|value| !value.is_null())
    }

    /// Takes a field out whose `null` means something else than its absence, for which `otherwise` stands.
    fn null_or<T>(
        &mut self,
        name: &str,
        otherwise: Option<T>,
        read: fn(&mut Self, &str) -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        if self.map.contains_key(name) { read(self, name) } else { Ok(otherwise) }
    }

    pub(super) fn size(&mut self, name: &str) -> Result<Option<usize>> {
        self.take(name)
            .map(|value| {
                let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
                size.ok_or_else(|| self.wrong(name, &value, "a whole number of at least 0"))
            })
            .transpose()
    }

    /// A size that may be `null`: none then, and `otherwise` where the field is absent.
    pub(super) fn nullable_size(&mut self, name: &str, otherwise: Option<usize>) -> Result<Option<usize>> {
        self.null_or(name, otherwise, Self::size)
    }

    pub(super) fn number(&mut self, name: &str) -> Result<Option<f64>> {
        self.take(name).map(|value| value.as_f64().ok_or_else(|| self.wrong(name, &value, "a number"))).transpose()
    }

    /// A number that may be `null`: none then, and `otherwise` where the field is absent.
    pub(super) fn nullable_number(&mut self, name: &str, otherwise: Option<f64>) -> Result<Option<f64>> {
        self.null_or(name, otherwise, Self::number)
    }

    pub(super) fn numbers(&mut self, name: &str) -> Result<Option<Vec<f64>>> {
        let Some(value) = self.take(name) else { return Ok(None) };
        let numbers = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect::<Option<Vec<_>>>());
        numbers.map(Some).ok_or_else(|| self.wrong(name, &value, "a list of numbers"))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>> {
        self.take(name)
            .map(|value| value.as_bool().ok_or_else(|| self.wrong(name, &value, "true or false")))
            .transpose()
    }

    pub(super) fn word(&mut self, name: &str) -> Result<Option<String>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(word)) => Ok(Some(word)),
            Some(other) => Err(self.wrong(name, &other, "a name")),
        }
    }

    pub(super) fn object(&mut self, name: &str) -> Result<Option<Map<String, Value>>> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Object(map)) => Ok(Some(map)),
            Some(other) => Err(self.wrong(name, &other, "an object")),
        }
    }

    /// One token id or a list of them.
    pub(super) fn ids(&mut self, name: &str) -> Result<Vec<u32>> {
        let Some(value) = self.take(name) else { return Ok(Vec::new()) };
        let list = match &value {
            Value::Array(list) => list.as_slice(),
            single => std::slice::from_ref(single),
        };
        list.iter()
            .map(|id| id.as_u64().and_then(|id| u32::try_from(id).ok()))
            .collect::<Option<Vec<u32>>>()
            .ok_or_else(|| self.wrong(name, &value, "a token id or a list of token ids"))
    }

    pub(super) fn missing(&self, name: &str) -> Error {
        Error::config(self.path, format!("{name} is missing"), "Is this the model's own config.json?")
    }

    pub(super) fn wrong(&self, name: &str, value: &Value, wanted: &str) -> Error {
        Error::config(self.path, format!("{name} is {value} where {wanted} is needed"), "Is the file damaged?")
    }
}
