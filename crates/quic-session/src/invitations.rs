//! Who may connect: tokens that signalling gave out and nobody has used yet, each for one session and for a while.
//!
//! Fed by the endpoint's handle with invitations and by its accept loop with the tokens of those who come. Bounded; time
//! comes in as `now`.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::Token;

/// Invitations of type `T` that wait to be taken.
#[derive(Debug)]
pub(crate) struct Invitations<T> {
    open: HashMap<Token, (Instant, T)>,
    lifetime: Duration,
}

impl<T> Invitations<T> {
    /// Each is kept for `lifetime`.
    pub(crate) fn new(lifetime: Duration) -> Self {
        Self {
            open: HashMap::new(),
            lifetime,
        }
    }

    /// Keeps one, unless there are `max` already. Gives it back then.
    pub(crate) fn add(&mut self, now: Instant, token: Token, what: T, max: usize) -> Result<(), T> {
        if self.open.len() >= max {
            return Err(what);
        }
        self.open.insert(token, (now + self.lifetime, what));
        Ok(())
    }

    /// What the token stands for; it is good no more. `None` for one that is not known or no longer good.
    pub(crate) fn take(&mut self, now: Instant, token: &Token) -> Option<T> {
        let (until, _) = self.open.get(token)?;
        if now < *until {
            self.open.remove(token).map(|(_, what)| what)
        } else {
            None
        }
    }

    /// Takes out those that are no longer good.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<T> {
        let expired = self.open.extract_if(|_, (until, _)| *until <= now);
        expired.map(|(_, (_, what))| what).collect()
    }

    /// Takes out all.
    pub(crate) fn clear(&mut self) -> Vec<T> {
        self.open.drain().map(|(_, (_, what))| what).collect()
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.open.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(number: u8) -> Token {
        Token::from_random([number; crate::limits::TOKEN_BYTES])
    }

    #[test]
    fn a_token_is_good_once() {
        let now = Instant::now();
        let mut invitations = Invitations::new(Duration::from_secs(5));
        assert_eq!(invitations.add(now, token(1), "one", 2), Ok(()));
        assert_eq!(invitations.take(now, &token(2)), None);
        assert_eq!(invitations.take(now, &token(1)), Some("one"));
        assert_eq!(invitations.take(now, &token(1)), None);
    }

    #[test]
    fn an_old_one_is_good_no_more_and_makes_room() {
        let start = Instant::now();
        let lifetime = Duration::from_secs(5);
        let mut invitations = Invitations::new(lifetime);
        assert_eq!(invitations.add(start, token(1), 1, 2), Ok(()));
        assert_eq!(invitations.add(start, token(2), 2, 2), Ok(()));
        let just_before = start + lifetime - Duration::from_nanos(1);
        assert_eq!(invitations.expire(just_before), []);
        assert_eq!(invitations.add(just_before, token(3), 3, 2), Err(3));
        assert_eq!(invitations.take(just_before, &token(2)), Some(2));
        assert_eq!(invitations.take(start + lifetime, &token(1)), None);
        assert_eq!(invitations.expire(start + lifetime), [1]);
        assert_eq!(invitations.add(start + lifetime, token(3), 3, 1), Ok(()));
        assert_eq!(invitations.len(), 1);
    }
}
