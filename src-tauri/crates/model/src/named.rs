//! Settings that are written as their names.

/// Writes and reads a type with `Display`, `FromStr` and `ALL` as its name; what is no name is refused in the words of
/// `FromStr`. To the page it is the union of its names.
macro_rules! written_as_its_name {
    ($setting:ty) => {
        impl serde::Serialize for $setting {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $setting {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}
pub(crate) use written_as_its_name;
