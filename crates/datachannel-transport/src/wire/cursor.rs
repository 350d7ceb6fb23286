//! Reads MessagePack elements one by one, each by the name it has in `docs/wire.md`.
//!
//! Fed by a message as it came from a lane; feeds the decoder. Nothing is allocated for what a length
//! claims, and what is not understood is skipped by iteration, so depth costs nothing.

use rmp::Marker;
use rmp::decode::{
    Bytes, NumValueReadError, RmpRead, ValueReadError, bytes::BytesReadError, read_array_len,
    read_bin_len, read_f32, read_f64, read_int, read_map_len, read_marker, read_str_len,
};

use super::error::DecodeError;

pub(crate) struct Cursor<'a> {
    rest: Bytes<'a>,
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(message: &'a [u8]) -> Self {
        Self {
            rest: Bytes::new(message),
        }
    }

    /// Bytes not read yet.
    pub(crate) fn remaining(&self) -> &'a [u8] {
        self.rest.remaining_slice()
    }

    pub(crate) fn raw(&mut self) -> &mut Bytes<'a> {
        &mut self.rest
    }

    /// An unsigned integer of at most `max`.
    pub(crate) fn uint(&mut self, element: &'static str, max: u64) -> Result<u64, DecodeError> {
        let value: u64 = read_int(&mut self.rest).map_err(|e| number_error(element, &e))?;
        if value > max {
            Err(DecodeError::OutOfRange {
                element,
                value,
                max,
            })
        } else {
            Ok(value)
        }
    }

    pub(crate) fn u64(&mut self, element: &'static str) -> Result<u64, DecodeError> {
        self.uint(element, u64::MAX)
    }

    pub(crate) fn u32(&mut self, element: &'static str) -> Result<u32, DecodeError> {
        Ok(self.uint(element, u32::MAX.into())? as u32)
    }

    pub(crate) fn u16(&mut self, element: &'static str) -> Result<u16, DecodeError> {
        Ok(self.uint(element, u16::MAX.into())? as u16)
    }

    pub(crate) fn i64(&mut self, element: &'static str) -> Result<i64, DecodeError> {
        read_int(&mut self.rest).map_err(|e| number_error(element, &e))
    }

    /// An integer or a float.
    pub(crate) fn number(&mut self, element: &'static str) -> Result<f64, DecodeError> {
        match self
            .rest
            .remaining_slice()
            .first()
            .map(|&first| Marker::from_u8(first))
        {
            Some(Marker::F32) => read_f32(&mut self.rest)
                .map(f64::from)
                .map_err(|e| value_error(element, &e)),
            Some(Marker::F64) => read_f64(&mut self.rest).map_err(|e| value_error(element, &e)),
            Some(Marker::U64) => Ok(self.u64(element)? as f64),
            _ => Ok(self.i64(element)? as f64),
        }
    }

    /// The length of an array. It claims no more than one element per byte that is there.
    pub(crate) fn array(&mut self, element: &'static str) -> Result<u64, DecodeError> {
        let claimed = read_array_len(&mut self.rest).map_err(|e| value_error(element, &e))?;
        self.claim(element, claimed.into())
    }

    /// The number of entries of a map.
    pub(crate) fn map(&mut self, element: &'static str) -> Result<u64, DecodeError> {
        let claimed = read_map_len(&mut self.rest).map_err(|e| value_error(element, &e))?;
        self.claim(element, u64::from(claimed) * 2)
            .map(|_| claimed.into())
    }

    pub(crate) fn bin(&mut self, element: &'static str) -> Result<&'a [u8], DecodeError> {
        let len = read_bin_len(&mut self.rest).map_err(|e| value_error(element, &e))?;
        self.take(element, len)
    }

    /// UTF-8 of at most `max` bytes.
    pub(crate) fn text(
        &mut self,
        element: &'static str,
        max: usize,
    ) -> Result<&'a str, DecodeError> {
        let len = read_str_len(&mut self.rest).map_err(|e| value_error(element, &e))?;
        if len as usize > max {
            return Err(DecodeError::OutOfRange {
                element,
                value: len.into(),
                max: max as u64,
            });
        }
        std::str::from_utf8(self.take(element, len)?).map_err(|_| DecodeError::NotUtf8 { element })
    }

    /// Takes a nil if there is one.
    pub(crate) fn nil(&mut self) -> bool {
        let is_nil = self.remaining().first() == Some(&Marker::Null.to_u8());
        if is_nil {
            self.rest = Bytes::new(&self.remaining()[1..]);
        }
        is_nil
    }

    /// Passes over `count` values of any type and depth.
    pub(crate) fn skip(&mut self, count: u64) -> Result<(), DecodeError> {
        let mut pending = count;
        while pending > 0 {
            pending = (pending - 1).saturating_add(self.skip_one()?);
        }
        Ok(())
    }

    /// Passes over one value's own bytes; returns how many values are inside it.
    fn skip_one(&mut self) -> Result<u64, DecodeError> {
        const ELEMENT: &str = "an element that is to be ignored";
        let truncated = |_| DecodeError::Truncated { element: ELEMENT };
        let marker =
            read_marker(&mut self.rest).map_err(|_| DecodeError::Truncated { element: ELEMENT })?;
        let (width, extra) = length_field(marker);
        let length = match width {
            0 => fixed_length(marker),
            1 => u64::from(self.rest.read_u8().map_err(truncated)?),
            2 => u64::from(
                self.rest
                    .read_data_u16()
                    .map_err(|e| value_error(ELEMENT, &e))?,
            ),
            _ => u64::from(
                self.rest
                    .read_data_u32()
                    .map_err(|e| value_error(ELEMENT, &e))?,
            ),
        };
        match marker {
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => self.claim(ELEMENT, length),
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => self.claim(ELEMENT, length * 2),
            _ => self
                .take(ELEMENT, u32::try_from(length + extra).unwrap_or(u32::MAX))
                .map(|_| 0),
        }
    }

    fn claim(&self, element: &'static str, values: u64) -> Result<u64, DecodeError> {
        let possible = values <= self.remaining().len() as u64;
        if possible {
            Ok(values)
        } else {
            Err(DecodeError::Truncated { element })
        }
    }

    fn take(&mut self, element: &'static str, len: u32) -> Result<&'a [u8], DecodeError> {
        let taken = self.remaining().split_at_checked(len as usize);
        let (value, rest) = taken.ok_or(DecodeError::Truncated { element })?;
        self.rest = Bytes::new(rest);
        Ok(value)
    }
}

/// Width in bytes of the length that follows a marker, and bytes beyond that length (an extension's type).
fn length_field(marker: Marker) -> (u8, u64) {
    match marker {
        Marker::Str8 | Marker::Bin8 => (1, 0),
        Marker::Str16 | Marker::Bin16 | Marker::Array16 | Marker::Map16 => (2, 0),
        Marker::Str32 | Marker::Bin32 | Marker::Array32 | Marker::Map32 => (4, 0),
        Marker::Ext8 => (1, 1),
        Marker::Ext16 => (2, 1),
        Marker::Ext32 => (4, 1),
        _ => (0, 0),
    }
}

/// Bytes (or values, for arrays and maps) that a marker without a length field stands for.
fn fixed_length(marker: Marker) -> u64 {
    match marker {
        Marker::U8 | Marker::I8 => 1,
        Marker::U16 | Marker::I16 | Marker::FixExt1 => 2,
        Marker::FixExt2 => 3,
        Marker::U32 | Marker::I32 | Marker::F32 => 4,
        Marker::FixExt4 => 5,
        Marker::U64 | Marker::I64 | Marker::F64 => 8,
        Marker::FixExt8 => 9,
        Marker::FixExt16 => 17,
        Marker::FixStr(len) | Marker::FixArray(len) | Marker::FixMap(len) => len.into(),
        _ => 0,
    }
}

fn value_error(element: &'static str, error: &ValueReadError<BytesReadError>) -> DecodeError {
    match error {
        ValueReadError::TypeMismatch(found) => DecodeError::WrongType {
            element,
            found: found.to_u8(),
        },
        _ => DecodeError::Truncated { element },
    }
}

fn number_error(element: &'static str, error: &NumValueReadError<BytesReadError>) -> DecodeError {
    match error {
        NumValueReadError::TypeMismatch(found) => DecodeError::WrongType {
            element,
            found: found.to_u8(),
        },
        NumValueReadError::OutOfRange => DecodeError::WrongSign { element },
        _ => DecodeError::Truncated { element },
    }
}
