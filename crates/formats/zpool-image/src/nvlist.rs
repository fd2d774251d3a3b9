//! Packed name-value lists in XDR form: labels and the pool's configuration.

/// A list of names and values; the order is kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct NameValueList {
    pairs: Vec<(String, Value)>,
}

/// A value of a [`NameValueList`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Value {
    /// A 64-bit number.
    Number(u64),
    /// Text.
    Text(String),
    /// A list.
    List(NameValueList),
    /// Several lists.
    Lists(Vec<NameValueList>),
    /// A name without a value.
    Flag,
    /// A value of another type, kept as it is stored: the code, the count and the bytes.
    Other(u32, u32, Vec<u8>),
}

/// Lists in lists deeper than this are refused.
const DEEPEST: usize = 16;

impl NameValueList {
    /// Adds a number.
    pub(crate) fn number(mut self, name: &str, value: u64) -> Self {
        self.pairs.push((name.to_owned(), Value::Number(value)));
        self
    }

    /// Adds text.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.pairs.push((name.to_owned(), Value::Text(value.to_owned())));
        self
    }

    /// Adds a name without a value.
    pub(crate) fn flag(mut self, name: &str) -> Self {
        self.pairs.push((name.to_owned(), Value::Flag));
        self
    }

    /// Adds a list.
    pub(crate) fn list(mut self, name: &str, value: NameValueList) -> Self {
        self.pairs.push((name.to_owned(), Value::List(value)));
        self
    }

    /// Adds an array of lists.
    pub(crate) fn lists(mut self, name: &str, value: Vec<NameValueList>) -> Self {
        self.pairs.push((name.to_owned(), Value::Lists(value)));
        self
    }

    /// The packed form: XDR, written on a little-endian machine.
    pub(crate) fn pack(&self) -> Vec<u8> {
        let mut out = vec![1, 1, 0, 0];
        self.encode(&mut out);
        out
    }

    /// The value of a name.
    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.pairs.iter().find(|(other, _)| other == name).map(|(_, value)| value)
    }

    /// The value of a name, if it is a number.
    pub(crate) fn get_number(&self, name: &str) -> Option<u64> {
        match self.get(name) {
            Some(Value::Number(number)) => Some(*number),
            _ => None,
        }
    }

    /// The value of a name, if it is text.
    pub(crate) fn get_text(&self, name: &str) -> Option<&str> {
        match self.get(name) {
            Some(Value::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// The value of a name, if it is a list.
    pub(crate) fn get_list(&self, name: &str) -> Option<&NameValueList> {
        match self.get(name) {
            Some(Value::List(list)) => Some(list),
            _ => None,
        }
    }

    /// All names.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.pairs.iter().map(|(name, _)| name.as_str())
    }

    /// Reads a packed list from the begin of some bytes.
    pub(crate) fn unpack(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[1])?.get(3..)?;
        Self::decode(&mut rest, DEEPEST)
    }

    fn decode(rest: &mut &[u8], depth: usize) -> Option<Self> {
        let depth = depth.checked_sub(1)?;
        let _version = take(rest)?;
        let _flags = take(rest)?;
        let mut pairs = Vec::new();
        loop {
            let before = *rest;
            let (encoded, decoded) = (take(rest)? as usize, take(rest)?);
            if (encoded, decoded) == (0, 0) {
                return Some(Self { pairs });
            }
            // Everything in XDR begins at a multiple of 4.
            let mut pair = before.get(8..encoded).filter(|_| encoded % 4 == 0)?;
            *rest = before.get(encoded..)?;
            let name = take_text(&mut pair)?;
            let (code, count) = (take(&mut pair)?, take(&mut pair)?);
            let value = match (code, count) {
                (1, 0) => Value::Flag,
                (8, 1) => Value::Number(u64::from_be_bytes(*pair.first_chunk()?)),
                (9, 1) => Value::Text(take_text(&mut pair)?),
                (19, 1) => Value::List(Self::decode(&mut pair, depth)?),
                (20, _) => {
                    let lists = (0..count).map(|_| Self::decode(&mut pair, depth));
                    Value::Lists(lists.collect::<Option<_>>()?)
                }
                _ => Value::Other(code, count, pair.to_vec()),
            };
            pairs.push((name, value));
        }
    }

    fn encode(&self, out: &mut Vec<u8>) {
        put(out, 0); // version
        put(out, 1); // names are unique
        for (name, value) in &self.pairs {
            let start = out.len();
            put(out, 0); // encoded size, filled in below
            put(out, decoded_size(name, value));
            put_text(out, name);
            put(out, value.code());
            put(out, value.count());
            match value {
                Value::Number(number) => out.extend_from_slice(&number.to_be_bytes()),
                Value::Text(text) => put_text(out, text),
                Value::List(list) => list.encode(out),
                Value::Lists(lists) => lists.iter().for_each(|list| list.encode(out)),
                Value::Flag => {}
                Value::Other(_, _, bytes) => out.extend_from_slice(bytes),
            }
            let size = (out.len() - start) as u32;
            out[start..start + 4].copy_from_slice(&size.to_be_bytes());
        }
        out.extend_from_slice(&[0; 8]);
    }
}

impl Value {
    fn code(&self) -> u32 {
        match self {
            Self::Number(_) => 8,
            Self::Text(_) => 9,
            Self::List(_) => 19,
            Self::Lists(_) => 20,
            Self::Flag => 1,
            Self::Other(code, _, _) => *code,
        }
    }

    fn count(&self) -> u32 {
        match self {
            Self::Lists(lists) => lists.len() as u32,
            Self::Flag => 0,
            Self::Other(_, count, _) => *count,
            _ => 1,
        }
    }
}

/// The size of the pair in memory: readers refuse a list that states less than they need.
fn decoded_size(name: &str, value: &Value) -> u32 {
    let value = match value {
        Value::Number(_) => 8,
        Value::Text(text) => (text.len() + 1).next_multiple_of(8),
        Value::List(_) => 24,
        Value::Lists(lists) => (8 + 24) * lists.len(),
        Value::Flag => 0,
        Value::Other(_, _, bytes) => bytes.len().next_multiple_of(8),
    };
    ((16 + name.len() + 1).next_multiple_of(8) + value) as u32
}

fn take(rest: &mut &[u8]) -> Option<u32> {
    let (first, after) = rest.split_first_chunk()?;
    *rest = after;
    Some(u32::from_be_bytes(*first))
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = take(rest)? as usize;
    let text = std::str::from_utf8(rest.get(..length)?).ok()?.to_owned();
    *rest = rest.get(length.next_multiple_of(4)..)?;
    Some(text)
}

fn put(out: &mut Vec<u8>, value: u32) {
    out.extend_from_slice(&value.to_be_bytes());
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put(out, text.len() as u32);
    out.extend_from_slice(text.as_bytes());
    out.resize(out.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lists() -> impl Strategy<Value = NameValueList> {
        let leaf = prop_oneof![
            any::<u64>().prop_map(Value::Number),
            "[a-z/ ]{0,20}".prop_map(Value::Text),
            Just(Value::Flag),
        ];
        let list = |value: BoxedStrategy<Value>| {
            prop::collection::vec(("[a-z_:]{1,12}", value), 0..5)
                .prop_map(|pairs| NameValueList { pairs })
        };
        let value = leaf.prop_recursive(3, 20, 4, move |inner| {
            let inner = list(inner.boxed());
            prop_oneof![
                inner.clone().prop_map(Value::List),
                prop::collection::vec(inner, 0..3).prop_map(Value::Lists),
            ]
        });
        list(value.boxed())
    }

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(list in lists()) {
            prop_assert_eq!(NameValueList::unpack(&list.pack()), Some(list));
        }

        #[test]
        fn damage_never_panics(
            list in lists(), place in any::<prop::sample::Index>(), value in any::<u8>(),
        ) {
            let mut packed = list.pack();
            let place = place.index(packed.len());
            packed[place] = value;
            let _ = NameValueList::unpack(&packed);
            let _ = NameValueList::unpack(&packed[..place]);
        }
    }

    #[test]
    fn pairs_that_are_not_aligned_are_refused() {
        let other = |length| NameValueList {
            pairs: vec![
                ("bytes".to_owned(), Value::Other(3, 1, vec![7; length])),
                ("text".to_owned(), Value::Text("abc".to_owned())),
            ],
        };
        assert_eq!(NameValueList::unpack(&other(8).pack()), Some(other(8)));
        assert_eq!(NameValueList::unpack(&other(7).pack()), None);
    }

    #[test]
    fn sizes_are_those_of_a_real_label() {
        let sizes = |list: NameValueList| {
            let packed = list.pack();
            let at = |i: usize| {
                u32::from_be_bytes([packed[i], packed[i + 1], packed[i + 2], packed[i + 3]])
            };
            (at(12), at(16))
        };
        let list = NameValueList::default;
        assert_eq!(sizes(list().number("version", 5000)), (36, 32));
        assert_eq!(sizes(list().number("pool_guid", 1)), (40, 40));
        assert_eq!(sizes(list().text("name", "rpool")), (36, 32));
        assert_eq!(sizes(list().number("top_guid", 1)), (36, 40));
        assert_eq!(sizes(list().list("features_for_read", list())), (56, 64));
    }
}
