//! DTLS records gathered into larger datagrams (RFC 6347 §4.1.1 allows several in one) towards a peer on this machine
//! that said in its offer that it reads them. Fed by `session` with what str0m sends, feeds the outbox.
//!
//! A record stays what it was, one SCTP packet; what becomes fewer is what a browser spends on each datagram: a read, and a
//! message between two of its processes.

use core::net::SocketAddr;

use crate::session::Outbox;

/// The first byte of a record that carries application data (RFC 6347 §4.1). Handshakes and ICE go alone.
const APPLICATION_DATA: u8 = 23;

/// Records that wait for the end of the turn.
#[derive(Debug, Default)]
pub(crate) struct JoinedRecords {
    /// The largest datagram made of several records, bytes; 0 sends each alone.
    pub(crate) limit_bytes: usize,
    bytes: Vec<u8>,
    path: Option<(SocketAddr, SocketAddr)>,
}

impl JoinedRecords {
    /// Sends the datagram, now or with others; returns how many datagrams have gone out.
    #[must_use]
    pub(crate) fn push(
        &mut self,
        source: SocketAddr,
        destination: SocketAddr,
        datagram: &[u8],
        outbox: &mut impl Outbox,
    ) -> u64 {
        let path = (source, destination);
        let joinable = datagram.first() == Some(&APPLICATION_DATA)
            && datagram.len() < self.limit_bytes
            && destination.ip().is_loopback();
        let fits = self.bytes.len() + datagram.len() <= self.limit_bytes;
        let mut sent = 0;
        if !joinable || !fits || self.path.is_some_and(|gathered| gathered != path) {
            sent += self.flush(outbox);
        }
        if joinable {
            self.path = Some(path);
            self.bytes.extend_from_slice(datagram);
        } else {
            outbox.send(source, destination, datagram);
            sent += 1;
        }
        sent
    }

    /// Sends what has gathered; returns how many datagrams that were.
    pub(crate) fn flush(&mut self, outbox: &mut impl Outbox) -> u64 {
        let Some((source, destination)) = self.path.take() else {
            return 0;
        };
        outbox.send(source, destination, &self.bytes);
        self.bytes.clear();
        1
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[derive(Default)]
    struct Sent(Vec<(SocketAddr, Vec<u8>)>);

    impl Outbox for Sent {
        fn send(&mut self, _: SocketAddr, destination: SocketAddr, datagram: &[u8]) {
            self.0.push((destination, datagram.to_vec()));
        }
    }

    fn record(bytes: usize) -> Vec<u8> {
        let mut record = vec![0; bytes];
        record[0] = APPLICATION_DATA;
        record
    }

    fn send_all(limit_bytes: usize, destination: [u8; 4], datagrams: &[Vec<u8>]) -> Sent {
        let mut sent = Sent::default();
        let mut joined = JoinedRecords {
            limit_bytes,
            ..JoinedRecords::default()
        };
        let source = SocketAddr::from(([127, 0, 0, 1], 1));
        let destination = SocketAddr::from((destination, 2));
        let mut count = 0;
        for datagram in datagrams {
            count += joined.push(source, destination, datagram, &mut sent);
        }
        count += joined.flush(&mut sent);
        assert_eq!(count, sent.0.len() as u64);
        sent
    }

    #[test]
    fn records_to_loopback_share_datagrams_up_to_the_limit() {
        let sent = send_all(4000, [127, 0, 0, 1], &vec![record(1500); 5]);
        let sizes: Vec<usize> = sent.0.iter().map(|(_, bytes)| bytes.len()).collect();
        assert_eq!(sizes, [3000, 3000, 1500]);
    }

    #[test]
    fn another_machine_and_a_peer_that_said_nothing_get_one_record_each() {
        assert_eq!(
            send_all(4000, [192, 0, 2, 1], &vec![record(1500); 5])
                .0
                .len(),
            5
        );
        assert_eq!(
            send_all(0, [127, 0, 0, 1], &vec![record(1500); 5]).0.len(),
            5
        );
    }

    #[test]
    fn what_is_no_application_data_goes_alone_and_overtakes_nothing() {
        let check = vec![0_u8; 100];
        let sent = send_all(
            4000,
            [127, 0, 0, 1],
            &[record(1000), check.clone(), record(1000)],
        );
        assert_eq!(sent.0.len(), 3);
        assert_eq!(sent.0[1].1, check);
    }

    proptest! {
        #[test]
        fn no_byte_is_lost_or_moved(sizes in prop::collection::vec((1_usize..3000, any::<bool>()), 0..60), limit in 0_usize..6000) {
            let datagrams: Vec<Vec<u8>> = sizes
                .iter()
                .enumerate()
                .map(|(at, (size, data))| {
                    let mut bytes = vec![at as u8; *size];
                    bytes[0] = if *data { APPLICATION_DATA } else { 22 };
                    bytes
                })
                .collect();
            let sent = send_all(limit, [127, 0, 0, 1], &datagrams);
            let largest = sizes.iter().map(|(size, _)| *size).max().unwrap_or(0);
            prop_assert!(sent.0.iter().all(|(_, bytes)| bytes.len() <= limit.max(largest)));
            let together: Vec<u8> = sent.0.into_iter().flat_map(|(_, bytes)| bytes).collect();
            prop_assert_eq!(together, datagrams.concat());
        }
    }
}
