//! A connection that is no HTTP any more, a WebSocket's for one: bytes both ways until either end closes it, or a cut does.
//!
//! Called by `exchange` on the connection's thread, which carries one way; a second one carries the other.

use std::io;
use std::net::{Shutdown, TcpStream};
use std::thread;

use super::http::SILENCE;

/// Carries until both ways are over.
///
/// # Errors
/// The streams cannot be prepared. How the connection ended is nobody's to know.
pub(super) fn tunnel(client: &TcpStream, server: &TcpStream) -> io::Result<()> {
    for stream in [client, server] {
        stream.set_read_timeout(Some(SILENCE))?;
        stream.set_write_timeout(Some(SILENCE))?;
    }
    thread::scope(|scope| {
        scope.spawn(|| {
            carry(client, server);
            // The server hears that the client has no more to say, and ends its way.
            let _ = server.shutdown(Shutdown::Write);
        });
        carry(server, client);
        // A client that goes on talking is not listened to; its way of reading is the caller's to close, or to reset.
        let _ = client.shutdown(Shutdown::Read);
    });
    Ok(())
}

fn carry(mut from: &TcpStream, mut to: &TcpStream) {
    // An end and an error are the same here.
    let _ = io::copy(&mut from, &mut to);
}
