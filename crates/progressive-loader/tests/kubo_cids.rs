//! The store gives a file the CID that Kubo gives it.
#![allow(clippy::unwrap_used)]

mod common;

use progressive_loader::Profile;
use progressive_loader::driver::Store;
use std::io::Write;
use testkit::shake;

/// Size, CID under `legacy-cid-v0`, CID under `unixfs-v1-2025`: printed by `ipfs add` (Kubo 0.44) for
/// the content of [`shake`]. The sizes lie at and beside each boundary: one leaf, one node.
const RECORDED: [(usize, &str, &str); 10] = [
    (
        0,
        "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH",
        "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku",
    ),
    (
        1,
        "QmSs5EPorB9X8UoEjfEgy3Cr1umpuvqAy6JkoT1xAtFhEC",
        "bafkreiczdn6msubxqiw6ywsnle5c4luldhah3xjfodswtead2f7rjrcauy",
    ),
    (
        1000,
        "QmRtP8gt1atQ2MCzpLjEFpjzMgNAX2R3Moq6M4ZR3fYyLs",
        "bafkreicghr5sqk36ofjl3apcstzledvmfgokizs6ztyshfmb5w3t5a5cg4",
    ),
    (
        262_143,
        "QmbeJvt6CLrv7adN2uPEAkQAZRviDUEoR9NxzsikkYLgwZ",
        "bafkreibw7byb37fpq774n4dz2ofhrshe6gmxacpsmqufcpoyn24dn25fvi",
    ),
    (
        262_144,
        "QmXfmZJXefarpPS8vDFtXkmRK3CwNDdqWuiGxWL2KxXpKN",
        "bafkreidtexacwz464eecznq6ebn7nntt7h6gxwsihqdx3e72uvepzcpbby",
    ),
    (
        262_145,
        "QmbH7ZZrWZHcEQgW22SePX2nP4poav4gwg9BQxnU3dJrSS",
        "bafkreidxvm6psfn6w6zzv6lbg2zfzb3sha4y5qqtan6w4t5dar4pml5w2i",
    ),
    (
        1_048_576,
        "QmRt8XSMMPA8jMVMYQ8Zqe1Rry9sRoviSv8h1PR5m9D9aF",
        "bafkreihi5m5hnbuirceeu65sjjhmrlllwnboefov54hlse4sebvgguptaa",
    ),
    (
        1_048_577,
        "QmWXtfaVCbpaC1wYroGVrcmXYK4cm9GXzEYx8nf9AUXNjB",
        "bafybeicsjbxvx3dqz2lwdyra3ngz3zpyswyagw5s2wqlv37leh45zgqxmm",
    ),
    (
        45_613_056,
        "QmaXwmbhaz3Lb3dLcCykeTyCN9gpXcygfGGn8CCjUghazj",
        "bafybeihwj3eel5fg6jfclsdlh2pkawravg7mlwk2u3tfvhsrk5ebfvul6m",
    ),
    (
        45_875_200,
        "QmZJSvARXKsJx2VeaXg5VWjwNibdwUuxQdLZ44YptR97HH",
        "bafybeibub6ono2afvosduvjl65wbxhwub5xyraczwyi4nadxstoalrgfkq",
    ),
];

#[test]
fn bytes_get_the_recorded_cids() {
    let store = Store::temporary().unwrap();
    for (size, legacy, v1) in RECORDED {
        let content = shake(size);
        for (profile, expected) in [(Profile::LegacyCidV0, legacy), (Profile::UnixfsV1_2025, v1)] {
            let added = store.add_bytes(&content, profile).unwrap();
            assert_eq!(added.cid.to_string(), expected, "{size} bytes, {profile}");
            assert_eq!(added.size_bytes, size as u64);
        }
    }
}

#[test]
fn a_file_gets_the_same_cid_and_counts_its_blocks() {
    let store = Store::temporary().unwrap();
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&shake(1_048_577)).unwrap();
    let mut told = Vec::new();
    let added = store
        .add_file(file.path(), Profile::LegacyCidV0, &mut |progress| {
            told.push(progress);
        })
        .unwrap();
    assert_eq!(
        added.cid.to_string(),
        "QmWXtfaVCbpaC1wYroGVrcmXYK4cm9GXzEYx8nf9AUXNjB"
    );
    assert_eq!(added.blocks, 6, "five leaves and the root");
    assert!(told.is_sorted_by_key(|progress| progress.bytes_done));
    assert_eq!(
        told.last().map(|progress| progress.bytes_done),
        Some(1_048_577)
    );
}

#[test]
fn every_size_kubo_was_asked_for_agrees() {
    let Some(path) = common::shared_fixture("kubo-cids.txt") else {
        return;
    };
    let store = Store::temporary().unwrap();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let [size, legacy, v1] = line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let content = shake(size.parse().unwrap());
        for (profile, expected) in [(Profile::LegacyCidV0, legacy), (Profile::UnixfsV1_2025, v1)] {
            assert_eq!(
                store.add_bytes(&content, profile).unwrap().cid.to_string(),
                expected,
                "{size} bytes"
            );
        }
    }
}
