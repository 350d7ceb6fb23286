//! The head of an HTTP/1.1 message: a start line and fields, as much as a proxy has to know.
//!
//! Fed by the driver's `BadLink` with the bytes of requests and responses.

/// Start line and fields, in the order and the case they came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) start_line: String,
    fields: Vec<(String, String)>,
}

/// Where the body begins: after the first empty line. `None` while it has not come.
pub(crate) fn end_of_head(bytes: &[u8]) -> Option<usize> {
    const END: &[u8] = b"\r\n\r\n";
    let at = bytes.windows(END.len()).position(|window| window == END)?;
    Some(at + END.len())
}

impl Head {
    /// `None` for what is no head.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(bytes).ok()?;
        let mut lines = text.trim_end_matches("\r\n").split("\r\n");
        let start_line = lines.next().filter(|line| !line.is_empty())?.to_owned();
        let fields = lines
            .map(|line| {
                let (name, value) = line.split_once(':')?;
                let is_name = !name.is_empty() && !name.contains(char::is_whitespace);
                is_name.then(|| (name.to_owned(), value.trim().to_owned()))
            })
            .collect::<Option<_>>()?;
        Some(Self { start_line, fields })
    }

    /// The first field of this name, whatever its case.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.fields
            .iter()
            .find(|(it, _)| it.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn remove(&mut self, name: &str) {
        self.fields.retain(|(it, _)| !it.eq_ignore_ascii_case(name));
    }

    /// One field of this name, at the end, in place of those that were there.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.remove(name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut text = format!("{}\r\n", self.start_line);
        for (name, value) in &self.fields {
            text.extend([name, ": ", value, "\r\n"]);
        }
        text.push_str("\r\n");
        text.into_bytes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_keeps_its_fields_but_those_that_are_set() {
        let bytes =
            b"GET /a?b HTTP/1.1\r\nHost: h:1\r\nconnection: keep-alive\r\nX: a: b\r\n\r\nrest";
        let end = end_of_head(bytes).unwrap();
        assert_eq!(&bytes[end..], b"rest");
        let mut head = Head::parse(&bytes[..end]).unwrap();
        assert_eq!(head.get("CONNECTION"), Some("keep-alive"));
        head.set("Connection", "close");
        assert_eq!(
            String::from_utf8(head.to_bytes()).unwrap(),
            "GET /a?b HTTP/1.1\r\nHost: h:1\r\nX: a: b\r\nConnection: close\r\n\r\n"
        );
    }

    #[test]
    fn what_is_no_head_is_not_taken_for_one() {
        for bytes in [
            &b"\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\na name: x\r\n\r\n",
            b"GET / HTTP/1.1\r\n\xFF: x\r\n\r\n",
        ] {
            assert_eq!(Head::parse(bytes), None, "{}", bytes.escape_ascii());
        }
        assert_eq!(end_of_head(b"GET / HTTP/1.1\r\n"), None);
    }
}
