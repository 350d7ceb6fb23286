//! Nodes and archives built by hand, so that they can be wrong in every way.

use cid::Cid;
use cid::multihash::Multihash;
use multihash_codetable::{Code, MultihashDigest};

pub const RAW: u64 = 0x55;
pub const DAG_PB: u64 = 0x70;

/// A block and its CID.
#[derive(Clone)]
pub struct Block {
    pub cid: Cid,
    pub bytes: Vec<u8>,
}

pub fn block(codec: u64, bytes: &[u8]) -> Block {
    Block {
        cid: Cid::new_v1(codec, Code::Sha2_256.digest(bytes)),
        bytes: bytes.to_vec(),
    }
}

pub fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

pub fn field_bytes(number: u64, bytes: &[u8]) -> Vec<u8> {
    [
        varint(number << 3 | 2),
        varint(bytes.len() as u64),
        bytes.to_vec(),
    ]
    .concat()
}

pub fn field_varint(number: u64, value: u64) -> Vec<u8> {
    [varint(number << 3), varint(value)].concat()
}

pub fn link(name: &str, cid: &Cid) -> Vec<u8> {
    let fields = [
        field_bytes(1, &cid.to_bytes()),
        field_bytes(2, name.as_bytes()),
        field_varint(3, 1),
    ];
    field_bytes(2, &fields.concat())
}

/// A UnixFS file node with the sizes it claims for its children and for itself.
pub fn file(inline: &[u8], children: &[(&Cid, u64)], size: u64) -> Block {
    let mut data = field_varint(1, 2);
    if !inline.is_empty() {
        data.extend(field_bytes(2, inline));
    }
    data.extend(field_varint(3, size));
    data.extend(children.iter().flat_map(|(_, size)| field_varint(4, *size)));
    let mut node: Vec<u8> = children.iter().flat_map(|(cid, _)| link("", cid)).collect();
    node.extend(field_bytes(1, &data));
    block(DAG_PB, &node)
}

pub fn directory(entries: &[(&str, &Cid)]) -> Block {
    let mut node: Vec<u8> = entries
        .iter()
        .flat_map(|(name, cid)| link(name, cid))
        .collect();
    node.extend(field_bytes(1, &field_varint(1, 1)));
    block(DAG_PB, &node)
}

/// A CAR whose header names `roots`.
pub fn archive(roots: &[&Cid], blocks: &[&Block]) -> Vec<u8> {
    let mut header = vec![0xa2, 0x65];
    header.extend(b"roots");
    header.push(0x80 | roots.len() as u8);
    for root in roots {
        let bytes = root.to_bytes();
        header.extend([0xd8, 0x2a, 0x58, bytes.len() as u8 + 1, 0]);
        header.extend(bytes);
    }
    header.push(0x67);
    header.extend(b"version");
    header.push(1);
    let mut car = varint(header.len() as u64);
    car.extend(header);
    for block in blocks {
        let cid = block.cid.to_bytes();
        car.extend(varint((cid.len() + block.bytes.len()) as u64));
        car.extend(cid);
        car.extend(&block.bytes);
    }
    car
}

/// A CID with a hash function nobody here checks.
pub fn unknown_hash_cid() -> Cid {
    Cid::new_v1(RAW, Multihash::wrap(0x7777, &[1; 32]).unwrap())
}
