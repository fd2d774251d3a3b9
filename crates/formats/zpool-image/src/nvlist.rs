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
}

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
        }
    }

    fn count(&self) -> u32 {
        match self {
            Self::Lists(lists) => lists.len() as u32,
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
    };
    ((16 + name.len() + 1).next_multiple_of(8) + value) as u32
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
    use super::*;

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
