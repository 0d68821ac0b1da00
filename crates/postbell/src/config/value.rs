//! From a tree of TOML values to the options of the crates.
//!
//! The crates write plain `Duration` and integers in their options; here, and only here, is it
//! known that a configuration says `"5m"` and `"25 MiB"`. A fault names the key at which it lies.

use std::fmt;
use std::time::Duration;

use serde::de::value::{SeqDeserializer, StrDeserializer, StringDeserializer};
use serde::de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use toml::{Table, Value};

use super::units::{parse_duration, parse_size};

/// What stands for an absent value, since TOML has no word for "nothing".
const ABSENT: [&str; 3] = ["unlimited", "any", "none"];

/// A value that an option can't have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ValueError {
    /// From the root to the value: `submission`, `trusted`, `[1]`, `network`. Innermost first.
    reversed_path: Vec<String>,
    /// What is wrong, without the key.
    pub(super) message: String,
}

impl ValueError {
    fn new(message: impl Into<String>) -> Self {
        Self {
            reversed_path: Vec::new(),
            message: message.into(),
        }
    }

    fn within(mut self, segment: impl Into<String>) -> Self {
        self.reversed_path.push(segment.into());
        self
    }

    /// The key: `submission.trusted[1].network`.
    pub(super) fn key(&self) -> String {
        let mut key = String::new();
        for segment in self.reversed_path.iter().rev() {
            if !key.is_empty() && !segment.starts_with('[') {
                key.push('.');
            }
            key.push_str(segment);
        }
        key
    }
}

impl fmt::Display for ValueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key(), self.message)
    }
}

impl std::error::Error for ValueError {}

impl de::Error for ValueError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::new(message.to_string())
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Self::new(format!("unknown key; known here: {}", expected.join(", ")))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        let expected: Vec<_> = expected.iter().map(|word| format!("\"{word}\"")).collect();
        Self::new(format!(
            "must be one of {}, not \"{variant}\"",
            expected.join(", ")
        ))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::new(format!("the key \"{field}\" is missing"))
    }
}

/// Reads `T` from `table`.
pub(super) fn from_table<T: DeserializeOwned>(table: &Table) -> Result<T, ValueError> {
    T::deserialize(TableReader(table))
}

/// Says what a value is, for "must be …, not …".
fn described(value: &Value) -> String {
    match value {
        Value::String(text) => format!("\"{text}\""),
        Value::Integer(number) => format!("the number {number}"),
        Value::Float(number) => format!("the number {number}"),
        Value::Boolean(value) => value.to_string(),
        Value::Datetime(_) => "a date".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        Value::Table(_) => "a section".to_owned(),
    }
}

fn wrong(expected: &str, found: &Value) -> ValueError {
    ValueError::new(format!("must be {expected}, not {}", described(found)))
}

/// One value being read.
#[derive(Clone, Copy)]
struct Reader<'a>(&'a Value);

impl Reader<'_> {
    fn duration(self) -> Result<Duration, ValueError> {
        let expected = "a duration such as \"30s\", \"5m\", \"1h30m\" or \"5d\"";
        let Value::String(text) = self.0 else {
            return Err(wrong(expected, self.0));
        };
        parse_duration(text).ok_or_else(|| wrong(expected, self.0))
    }

    fn number(self, expected: &str) -> Result<u64, ValueError> {
        match self.0 {
            Value::Integer(number) => u64::try_from(*number).ok(),
            Value::String(text) => parse_size(text),
            _ => None,
        }
        .ok_or_else(|| wrong(expected, self.0))
    }
}

macro_rules! read_numbers {
    ($($method:ident $type:ty, $visit:ident;)*) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
            let expected = if size_of::<$type>() == size_of::<u64>() {
                "a whole number, or a size such as \"25 MiB\""
            } else {
                "a whole number"
            };
            let number = self.number(expected)?;
            let number = <$type>::try_from(number).map_err(|_| {
                ValueError::new(format!("must be {} or less, not {number}", <$type>::MAX))
            })?;
            visitor.$visit(number)
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Reader<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Datetime(_) => Err(wrong("text in quotes", self.0)),
            Value::Array(values) => visitor.visit_seq(Elements { values, next: 0 }),
            Value::Table(table) => visitor.visit_map(Entries::of(table)),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Boolean(value) => visitor.visit_bool(*value),
            other => Err(wrong("true or false", other)),
        }
    }

    read_numbers! {
        deserialize_u8 u8, visit_u8;
        deserialize_u16 u16, visit_u16;
        deserialize_u32 u32, visit_u32;
        deserialize_u64 u64, visit_u64;
        deserialize_i8 i8, visit_i8;
        deserialize_i16 i16, visit_i16;
        deserialize_i32 i32, visit_i32;
        deserialize_i64 i64, visit_i64;
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::String(text) => visitor.visit_borrowed_str(text),
            other => Err(wrong("text in quotes", other)),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::String(text) if ABSENT.contains(&text.as_str()) => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Array(values) => visitor.visit_seq(Elements { values, next: 0 }),
            other => Err(wrong("a list: [\"…\", \"…\"]", other)),
        }
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name == "Duration" {
            let duration = self.duration()?;
            let parts = [duration.as_secs(), u64::from(duration.subsec_nanos())];
            return visitor.visit_seq(SeqDeserializer::new(parts.into_iter()));
        }
        self.deserialize_map(visitor)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        match self.0 {
            Value::Table(table) => visitor.visit_map(Entries::of(table)),
            other => Err(wrong("a section", other)),
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        let Value::String(word) = self.0 else {
            return Err(wrong("one word in quotes", self.0));
        };
        let word: StrDeserializer<'de, ValueError> = word.as_str().into_deserializer();
        visitor.visit_enum(word)
    }

    forward_to_deserialize_any! {
        f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

/// The root.
struct TableReader<'a>(&'a Table);

impl<'de> de::Deserializer<'de> for TableReader<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_map(Entries::of(self.0))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier
        ignored_any
    }
}

struct Elements<'a> {
    values: &'a [Value],
    next: usize,
}

impl<'de> de::SeqAccess<'de> for Elements<'de> {
    type Error = ValueError;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, ValueError> {
        let index = self.next;
        let Some(value) = self.values.get(index) else {
            return Ok(None);
        };
        self.next += 1;
        seed.deserialize(Reader(value))
            .map(Some)
            .map_err(|error| error.within(format!("[{index}]")))
    }
}

struct Entries<'a> {
    entries: toml::map::Iter<'a, String, Value>,
    current: Option<(&'a String, &'a Value)>,
}

impl<'a> Entries<'a> {
    fn of(table: &'a Table) -> Self {
        Self {
            entries: table.iter(),
            current: None,
        }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'de> {
    type Error = ValueError;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, ValueError> {
        self.current = self.entries.next();
        let Some((key, _)) = self.current else {
            return Ok(None);
        };
        let reader: StringDeserializer<ValueError> = key.clone().into_deserializer();
        seed.deserialize(reader)
            .map(Some)
            .map_err(|error| error.within(key))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(
        &mut self,
        seed: V,
    ) -> Result<V::Value, ValueError> {
        let Some((key, value)) = self.current else {
            return Err(ValueError::new("a value without a key"));
        };
        seed.deserialize(Reader(value))
            .map_err(|error| error.within(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Options {
        wait: Duration,
        size: u64,
        #[serde(default)]
        few: u8,
        #[serde(default)]
        retries: Option<u32>,
        #[serde(default)]
        peers: Vec<Peer>,
        #[serde(default)]
        mode: Mode,
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Peer {
        addr: std::net::SocketAddr,
    }

    #[derive(Debug, Default, PartialEq, serde::Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        #[default]
        Text,
        Json,
    }

    fn read(toml: &str) -> Result<Options, String> {
        let table: Table = toml.parse().unwrap();
        from_table(&table).map_err(|error| error.to_string())
    }

    #[test]
    fn reads_what_people_write() {
        let options = read(
            "wait = \"1m\"\nsize = \"2 KiB\"\nretries = 3\nmode = \"json\"\n\
             [[peers]]\naddr = \"127.0.0.1:1\"",
        )
        .unwrap();
        assert_eq!(options.wait, Duration::from_secs(60));
        assert_eq!(options.size, 2_048);
        assert_eq!((options.few, options.retries), (0, Some(3)));
        assert_eq!(options.mode, Mode::Json);
        assert_eq!(options.peers[0].addr.port(), 1);
    }

    #[test]
    fn unlimited_is_no_limit() {
        let options = read("wait = \"1m\"\nsize = 1\nretries = \"unlimited\"").unwrap();
        assert_eq!(options.retries, None);
    }

    #[test]
    fn faults_name_their_key() {
        let check = |toml: &str, expected: &str| {
            let toml = format!("wait = \"1m\"\nsize = 1\n{toml}");
            assert_eq!(read(&toml).unwrap_err(), expected, "{toml}");
        };
        check("few = 300", "few: must be 255 or less, not 300");
        check(
            "mode = \"xml\"",
            "mode: must be one of \"text\", \"json\", not \"xml\"",
        );
        check(
            "more = 1",
            "more: unknown key; known here: wait, size, few, retries, peers, mode",
        );
        check(
            "peers = 1",
            "peers: must be a list: [\"…\", \"…\"], not the number 1",
        );
        check(
            "[[peers]]\naddr = \"127.0.0.1:1\"\n[[peers]]\naddr = \"x\"",
            "peers[1].addr: invalid socket address syntax",
        );
        check(
            "[[peers]]\naddress = 1",
            "peers[0].address: unknown key; known here: addr",
        );
        assert_eq!(
            read("wait = 5\nsize = 1").unwrap_err(),
            "wait: must be a duration such as \"30s\", \"5m\", \"1h30m\" or \"5d\", not the number 5"
        );
        assert_eq!(
            read("wait = \"5m\"").unwrap_err(),
            ": the key \"size\" is missing"
        );
    }
}
