//! The secret that ties a WebTransport session to the link that signalling made: the last part of the session's path.
//!
//! Made by the driver from the system's random source, told by signalling, read from the request of whoever connects.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::limits::{MAX_PATH_BYTES, TOKEN_BYTES};

/// What a session's path begins with, wherever it is mounted.
const PATH: &str = "/lane/";

/// 128 bits that whoever connects must name. Shown as 22 characters of URL-safe base64.
///
/// Its [`Debug`] does not show it: it is a secret.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Token([u8; TOKEN_BYTES]);

/// Why a path names no token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// Not a lane's path.
    #[error("the path is not {PATH}TOKEN")]
    Path,
    /// Not 22 characters of URL-safe base64.
    #[error("the token is not 22 characters of URL-safe base64")]
    Token,
}

impl Token {
    /// A token of these bits, which must be random.
    #[must_use]
    pub fn from_random(bits: [u8; TOKEN_BYTES]) -> Self {
        Self(bits)
    }

    /// Reads `/lane/TOKEN`.
    ///
    /// # Errors
    /// [`TokenError`]: no such path, or no token in it.
    pub fn from_path(path: &str) -> Result<Self, TokenError> {
        if path.len() > MAX_PATH_BYTES {
            return Err(TokenError::Path);
        }
        let token = path.strip_prefix(PATH).ok_or(TokenError::Path)?;
        let bytes = URL_SAFE_NO_PAD
            .decode(token)
            .map_err(|_| TokenError::Token)?;
        bytes.try_into().map(Self).map_err(|_| TokenError::Token)
    }

    /// The path that whoever has this token asks for.
    #[must_use]
    pub fn path(&self) -> String {
        format!("{PATH}{self}")
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_its_path() {
        let token = Token::from_random([0xf7; TOKEN_BYTES]);
        assert_eq!(token.path().len(), PATH.len() + 22);
        assert_eq!(Token::from_path(&token.path()), Ok(token));
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let path = Token::from_random([1; TOKEN_BYTES]).path();
        for wrong in [
            "",
            "/",
            "/lane",
            "/lane/",
            "/lane/%00",
            "/other/AAAAAAAAAAAAAAAAAAAAAA",
        ] {
            assert!(Token::from_path(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(
            Token::from_path(&format!("{path}A")),
            Err(TokenError::Token)
        );
        assert_eq!(
            Token::from_path(&path[..path.len() - 1]),
            Err(TokenError::Token)
        );
        assert_eq!(Token::from_path(&path.repeat(20)), Err(TokenError::Path));
    }

    #[test]
    fn a_log_does_not_show_it() {
        let token = Token::from_random([7; TOKEN_BYTES]);
        assert!(!format!("{token:?}").contains(&token.to_string()));
    }
}
