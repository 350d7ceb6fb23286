//! Protobuf fields out of untrusted bytes: no copying, no panics, no recursion.
//!
//! Fed with blocks; feeds `node`.

/// What a field holds. Fixed-width values never carry anything UnixFS needs, so only their presence counts.
pub(super) enum Value<'a> {
    Varint(u64),
    Bytes(&'a [u8]),
    Fixed,
}

/// The fields of one message in order.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

/// The bytes are no protobuf message.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadMessage;

impl<'a> Fields<'a> {
    pub(super) fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    fn varint(&mut self) -> Result<u64, BadMessage> {
        match take_varint(&mut self.rest) {
            Varint::Value(value) => Ok(value),
            Varint::CutOff | Varint::Overflow => Err(BadMessage),
        }
    }

    fn bytes(&mut self, len: u64) -> Result<&'a [u8], BadMessage> {
        let len = usize::try_from(len).map_err(|_| BadMessage)?;
        let (bytes, rest) = self.rest.split_at_checked(len).ok_or(BadMessage)?;
        self.rest = rest;
        Ok(bytes)
    }

    fn field(&mut self) -> Result<(u64, Value<'a>), BadMessage> {
        let key = self.varint()?;
        let value = match key & 7 {
            0 => Value::Varint(self.varint()?),
            1 => self.bytes(8).map(|_| Value::Fixed)?,
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.bytes(len)?)
            }
            5 => self.bytes(4).map(|_| Value::Fixed)?,
            _ => return Err(BadMessage),
        };
        Ok((key >> 3, value))
    }
}

impl<'a> Iterator for Fields<'a> {
    type Item = Result<(u64, Value<'a>), BadMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// What stands where a varint should.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Varint {
    Value(u64),
    /// The bytes end before it does.
    CutOff,
    /// It is more than 64 bits can hold.
    Overflow,
}

/// Takes an unsigned LEB128 varint off the front of `bytes`, which stay as they are when there is none.
pub(crate) fn take_varint(bytes: &mut &[u8]) -> Varint {
    let mut value = 0u64;
    let mut rest = *bytes;
    for shift in (0..64).step_by(7) {
        let Some((&byte, after)) = rest.split_first() else {
            return Varint::CutOff;
        };
        rest = after;
        let bits = u64::from(byte & 0x7f);
        if bits << shift >> shift != bits {
            return Varint::Overflow;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            *bytes = rest;
            return Varint::Value(value);
        }
    }
    Varint::Overflow
}

/// Appends `value` as a varint.
pub(crate) fn write_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}
