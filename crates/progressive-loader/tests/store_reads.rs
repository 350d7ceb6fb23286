//! Content comes back from the store as it went in, or not at all.
#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use common::numbered;
use progressive_loader::driver::{AddError, Store, StoreSource};
use progressive_loader::{BlockError, ByteSource, Cid, OpenError, Profile, ReadError};
use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use testkit::shake;

fn pack_of(store: &Store, cid: &Cid) -> PathBuf {
    store.dir().join("packs").join(format!("{cid}.pack"))
}

fn flip_byte(path: &Path, offset: u64) {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(path)
        .unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, offset).unwrap();
    file.write_all_at(&[byte[0] ^ 0x10], offset).unwrap();
}

fn whole(source: &StoreSource) -> Result<Vec<u8>, ReadError> {
    source
        .read_range_blocking(0..source.size_bytes())
        .map(Into::into)
}

#[test]
fn every_range_is_the_contents_own() {
    let store = Store::temporary().unwrap();
    let leaf = 256 << 10;
    let content = numbered(3 * leaf + 77);
    for profile in Profile::ALL {
        let cid = store.add_bytes(&content, profile).unwrap().cid;
        let source = store.open_cid(&cid).unwrap();
        assert_eq!(source.size_bytes(), content.len() as u64);
        assert_eq!(source.name(), format!("ipfs://{cid}"));
        let ends = [
            0,
            1,
            leaf - 1,
            leaf,
            leaf + 1,
            2 * leaf,
            3 * leaf + 76,
            content.len(),
        ];
        for start in ends {
            for end in ends.into_iter().filter(|&end| end >= start) {
                let read = source
                    .read_range_blocking(start as u64..end as u64)
                    .unwrap();
                assert!(read == content[start..end], "{profile}: {start}..{end}");
            }
        }
        let past = source.read_range_blocking(0..content.len() as u64 + 1);
        assert!(matches!(past, Err(ReadError::OutOfBounds { .. })));
    }
}

#[test]
fn an_empty_file_is_an_empty_content() {
    let store = Store::temporary().unwrap();
    for profile in Profile::ALL {
        let added = store.add_bytes(&[], profile).unwrap();
        assert_eq!((added.size_bytes, added.blocks), (0, 1));
        assert_eq!(whole(&store.open_cid(&added.cid).unwrap()).unwrap(), b"");
    }
}

#[test]
fn the_same_blocks_are_found_under_either_cid_version() {
    let store = Store::temporary().unwrap();
    let content = numbered(600_000);
    let v0 = store.add_bytes(&content, Profile::LegacyCidV0).unwrap().cid;
    let v1 = Cid::new_v1(0x70, *v0.hash());
    assert!(whole(&store.open_cid(&v1).unwrap()).unwrap() == content);
}

#[test]
fn a_flipped_byte_is_an_error_that_names_the_block_and_spares_the_others() {
    let leaf = 256 << 10;
    let content = numbered(4 * leaf);
    let store = Store::temporary().unwrap();
    let cid = store.add_bytes(&content, Profile::LegacyCidV0).unwrap().cid;
    let source = store.open_cid(&cid).unwrap();
    flip_byte(&pack_of(&store, &cid), (leaf + 5) as u64);
    let error = source
        .read_range_blocking(leaf as u64..leaf as u64 + 1)
        .unwrap_err();
    let ReadError::Block {
        root,
        cid: block,
        problem: BlockError::HashMismatch,
    } = &error
    else {
        panic!("{error}")
    };
    assert_eq!(**root, cid);
    assert_ne!(**block, cid);
    let text = error.to_string();
    assert!(
        text.contains(&cid.to_string()) && text.contains(&block.to_string()),
        "{text}"
    );
    assert!(whole(&source).is_err());
    let sound = source.read_range_blocking(0..leaf as u64).unwrap();
    assert!(sound == content[..leaf]);
}

#[test]
fn a_damaged_root_or_index_is_an_error_and_adding_again_mends_it() {
    let content = numbered(700_000);
    let store = Store::temporary().unwrap();
    let cid = store.add_bytes(&content, Profile::LegacyCidV0).unwrap().cid;
    let pack = pack_of(&store, &cid);

    flip_byte(&pack, content.len() as u64 + 3);
    let error = store.open_cid(&cid).unwrap_err();
    assert!(
        matches!(
            error,
            OpenError::Read(ReadError::Block {
                problem: BlockError::HashMismatch,
                ..
            })
        ),
        "{error}"
    );

    let size = fs::metadata(&pack).unwrap().len();
    flip_byte(&pack, size - 60);
    let reopened = Store::open(store.dir()).unwrap();
    assert!(matches!(
        reopened.open_cid(&cid),
        Err(OpenError::NotInStore { .. })
    ));
    assert_eq!(reopened.list().unwrap(), []);

    store.add_bytes(&content, Profile::LegacyCidV0).unwrap();
    assert!(whole(&reopened.open_cid(&cid).unwrap()).unwrap() == content);
}

#[test]
fn a_pack_cut_anywhere_is_never_half_a_content() {
    let content = numbered(1000);
    let store = Store::temporary().unwrap();
    let cid = store
        .add_bytes(&content, Profile::UnixfsV1_2025)
        .unwrap()
        .cid;
    let pack = pack_of(&store, &cid);
    let bytes = fs::read(&pack).unwrap();
    for len in (0..bytes.len()).step_by(7) {
        fs::write(&pack, &bytes[..len]).unwrap();
        assert!(
            Store::open(store.dir()).unwrap().open_cid(&cid).is_err(),
            "cut to {len} bytes"
        );
    }
}

#[test]
fn a_later_change_of_the_file_does_not_reach_the_store() {
    let store = Store::temporary().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), b"as it was").unwrap();
    let cid = store
        .add_file(file.path(), Profile::default(), &mut |_| {})
        .unwrap()
        .cid;
    fs::write(file.path(), b"as it is now").unwrap();
    assert_eq!(whole(&store.open_cid(&cid).unwrap()).unwrap(), b"as it was");
}

#[test]
fn two_stores_on_one_directory_see_each_others_contents() {
    let dir = tempfile::tempdir().unwrap();
    let (one, other) = (
        Store::open(dir.path()).unwrap(),
        Store::open(dir.path()).unwrap(),
    );
    let contents: Vec<_> = (0..8).map(|i| shake(300_000 + i)).collect();
    let cids: Vec<Cid> = std::thread::scope(|scope| {
        let threads: Vec<_> = (contents.iter().zip([&one, &other].into_iter().cycle()))
            // Each content from both stores at once.
            .flat_map(|(content, store)| [(content, store), (content, &other)])
            .map(|(content, store)| {
                scope.spawn(move || store.add_bytes(content, Profile::LegacyCidV0).unwrap().cid)
            })
            .collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap())
            .collect()
    });
    for (content, pair) in contents.iter().zip(cids.chunks(2)) {
        assert_eq!(pair[0], pair[1]);
        assert!(whole(&one.open_cid(&pair[0]).unwrap()).unwrap() == *content);
        assert!(whole(&other.open_cid(&pair[0]).unwrap()).unwrap() == *content);
    }
    assert_eq!(one.list().unwrap().len(), contents.len());
    assert_eq!(
        fs::read_dir(dir.path().join("incoming")).unwrap().count(),
        0,
        "nothing is left behind"
    );
}

#[test]
fn what_an_interrupted_add_left_is_removed_when_old_and_never_visible() {
    let dir = tempfile::tempdir().unwrap();
    drop(Store::open(dir.path()).unwrap());
    let (old, fresh) = (
        dir.path().join("incoming/old"),
        dir.path().join("incoming/fresh"),
    );
    fs::write(&fresh, b"half").unwrap();
    let file = fs::File::create(&old).unwrap();
    file.set_modified(std::time::SystemTime::UNIX_EPOCH)
        .unwrap();
    drop(file);
    let store = Store::open(dir.path()).unwrap();
    assert!(!old.exists() && fresh.exists());
    assert_eq!(store.list().unwrap(), []);
}

#[test]
fn what_cannot_be_added_is_named() {
    let store = Store::temporary().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let add = |path: &Path| {
        store
            .add_file(path, Profile::default(), &mut |_| {})
            .unwrap_err()
    };
    let missing = add(&dir.path().join("none.mp4"));
    assert!(matches!(missing, AddError::Source { .. }) && missing.to_string().contains("none.mp4"));
    assert!(matches!(
        add(dir.path()),
        AddError::NotAFile {
            kind: "a directory",
            ..
        }
    ));
}

#[test]
fn a_file_that_changes_while_it_is_added_is_refused() {
    let store = Store::temporary().unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), numbered(5 << 20)).unwrap();
    let outcome = store.add_file(file.path(), Profile::default(), &mut |progress| {
        if progress.bytes_done == 0 {
            OpenOptions::new()
                .append(true)
                .open(file.path())
                .unwrap()
                .write_all_at(b"more", 5 << 20)
                .unwrap();
        }
    });
    assert!(
        matches!(outcome, Err(AddError::Changed { .. })),
        "{outcome:?}"
    );
    assert_eq!(store.list().unwrap(), []);
}

#[test]
fn a_store_that_cannot_be_made_names_its_path() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let error = Store::open(file.path().join("store"))
        .unwrap_err()
        .to_string();
    assert!(error.contains(file.path().to_str().unwrap()), "{error}");
}

#[test]
fn a_store_that_cannot_be_written_names_the_file_it_could_not_make() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path()).unwrap();
    fs::remove_dir_all(dir.path().join("incoming")).unwrap();
    let error = store.add_bytes(b"no room", Profile::default()).unwrap_err();
    assert!(
        matches!(&error, AddError::Store(_)) && error.to_string().contains("incoming"),
        "{error}"
    );
}

#[test]
fn an_unknown_cid_says_how_to_add_it() {
    let store = Store::temporary().unwrap();
    let cid: Cid = "QmWXtfaVCbpaC1wYroGVrcmXYK4cm9GXzEYx8nf9AUXNjB"
        .parse()
        .unwrap();
    let error = store.open_cid(&cid).unwrap_err();
    assert!(matches!(error, OpenError::NotInStore { .. }));
    assert!(error.to_string().contains("stream-server add"), "{error}");
}

#[test]
fn a_temporary_store_goes_with_its_last_user() {
    let store = Store::temporary().unwrap();
    let dir = store.dir().to_owned();
    let cid = store.add_bytes(b"kept", Profile::default()).unwrap().cid;
    let source = store.open_cid(&cid).unwrap();
    drop(store);
    assert_eq!(whole(&source).unwrap(), b"kept");
    drop(source);
    assert!(!dir.exists());
}

#[test]
fn the_list_tells_what_was_added() {
    let store = Store::temporary().unwrap();
    let added = store
        .add_bytes(&numbered(2_000_000), Profile::UnixfsV1_2025)
        .unwrap();
    let [listed] = store.list().unwrap().try_into().unwrap();
    assert_eq!(
        (listed.cid, listed.size_bytes, listed.blocks),
        (added.cid, 2_000_000, added.blocks)
    );
    assert_eq!(listed.profile, Some(Profile::UnixfsV1_2025));
}
