//! Pictures: layout, odd sizes, bad planes; and the pool that gets their memory back.

#![allow(clippy::unwrap_used)]

use frame_buffer::{
    ColorRange, FramePool, IDLE_TAKES, Picture, PictureError, PictureSize, Plane,
    STRIDE_ALIGN_BYTES,
};
use proptest::prelude::*;

fn size(width: u32, height: u32) -> PictureSize {
    PictureSize { width, height }
}

#[test]
fn memory_is_reused_when_the_last_clone_drops() {
    let pool = FramePool::new(2);
    let picture = pool.take(size(64, 48)).unwrap().freeze();
    let address = picture.y().as_ptr();
    let clone = picture.clone();
    drop(picture);
    assert_eq!(pool.stats().idle, 0, "a clone still shows it");
    std::thread::spawn(move || drop(clone)).join().unwrap();
    assert_eq!((pool.stats().idle, pool.stats().live), (1, 0));

    let again = pool.take(size(64, 48)).unwrap();
    assert_eq!(again.freeze().y().as_ptr(), address);
    let stats = pool.stats();
    assert_eq!((stats.allocated, stats.reused), (1, 1));
}

#[test]
fn idle_memory_is_bounded_in_buffers_and_bytes() {
    let pool = FramePool::new(3);
    let pictures: Vec<_> = (0..10).map(|_| pool.take(size(64, 48)).unwrap()).collect();
    assert_eq!(pool.stats().live, 10);
    drop(pictures);
    let bytes = Picture::black(size(64, 48)).unwrap().size_bytes();
    let stats = pool.stats();
    assert_eq!((stats.idle, stats.idle_bytes), (3, 3 * bytes));

    let pool = FramePool::with_max_idle_bytes(100, 2 * bytes + 1);
    let pictures: Vec<_> = (0..10).map(|_| pool.take(size(64, 48)).unwrap()).collect();
    drop(pictures);
    assert_eq!(pool.stats().idle, 2);

    pool.trim();
    assert_eq!((pool.stats().idle, pool.stats().idle_bytes), (0, 0));
}

#[test]
fn memory_of_a_size_no_longer_in_use_is_let_go() {
    let pool = FramePool::new(8);
    drop([pool.take(size(640, 480)), pool.take(size(640, 480))]);
    assert_eq!(pool.stats().idle, 2);
    for _ in 0..=IDLE_TAKES {
        drop(pool.take(size(64, 48)).unwrap());
    }
    let small = Picture::black(size(64, 48)).unwrap().size_bytes();
    assert_eq!(pool.stats().idle_bytes, small);
}

#[test]
fn a_picture_outlives_its_pool() {
    let pool = FramePool::new(2);
    let mut picture = pool.take(size(16, 16)).unwrap();
    picture.fill([1, 2, 3]);
    let picture = picture.freeze();
    drop(pool);
    assert_eq!((picture.y()[0], picture.u()[0], picture.v()[0]), (1, 2, 3));
}

#[test]
fn a_pool_is_shared_between_threads() {
    let pool = FramePool::new(4);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..500 {
                    drop(pool.take(size(33, 17)).unwrap().freeze());
                }
            });
        }
    });
    let stats = pool.stats();
    assert_eq!(stats.live, 0);
    assert_eq!(stats.allocated + stats.reused, 2000);
    assert!(stats.allocated <= 4, "{stats:?}");
}

#[test]
fn sizes_out_of_range_are_refused() {
    let pool = FramePool::new(1);
    for (width, height) in [(0, 9), (9, 0), (1, 9), (9, 1), (16_385, 9), (9, u32::MAX)] {
        let error = pool.take(size(width, height)).unwrap_err();
        assert_eq!(error, PictureError::Size { width, height });
        assert!(error.to_string().contains(&format!("{width}x{height}")));
    }
    assert_eq!(pool.stats().live, 0);
}

#[test]
fn black_is_black() {
    let picture = Picture::black(size(5, 3)).unwrap();
    assert_eq!(picture.range(), ColorRange::Limited);
    assert!(picture.y().iter().all(|&y| y == 16));
    assert!(picture.u().iter().chain(picture.v()).all(|&c| c == 128));
}

#[test]
fn planes_that_do_not_fit_are_refused() {
    let pool = FramePool::new(1);
    let (y, c) = ([0; 25], [0; 9]);
    let copy = |planes: [&[u8]; 3], strides| {
        Picture::copy_from_planes(&pool, size(5, 5), planes, strides).unwrap_err()
    };
    assert_eq!(
        copy([&y, &c, &c], [4, 3, 3]),
        PictureError::Stride {
            plane: Plane::Y,
            stride_bytes: 4,
            width: 5
        }
    );
    assert_eq!(
        copy([&y, &c, &c[1..]], [5, 3, 3]),
        PictureError::PlaneTooShort {
            plane: Plane::V,
            got_bytes: 8,
            needed_bytes: 9
        }
    );
    assert!(matches!(
        copy([&y, &c, &c], [5, usize::MAX, 3]),
        PictureError::PlaneTooShort {
            plane: Plane::U,
            ..
        }
    ));
    assert_eq!(pool.stats().live, 0, "a refused copy gives its memory back");
}

proptest! {
    #[test]
    fn planes_survive_a_copy(
        width in 2..200_u32,
        height in 2..100_u32,
        slack in proptest::array::uniform3(0..70_usize),
        seed: u8,
    ) {
        let size = size(width, height);
        let dimensions = Plane::ALL.map(|plane| size.plane_dimensions(plane));
        let strides = [0, 1, 2].map(|i| dimensions[i].0 as usize + slack[i]);
        let sources = [0, 1, 2].map(|i| -> Vec<u8> {
            // As decoders hand them out: the last row may end with its last sample.
            let len = strides[i] * (dimensions[i].1 as usize - 1) + dimensions[i].0 as usize;
            (0..len).map(|n| (n as u8).wrapping_mul(31) ^ seed).collect()
        });
        let pool = FramePool::new(1);
        let planes = [&sources[0][..], &sources[1], &sources[2]];
        let picture = Picture::copy_from_planes(&pool, size, planes, strides).unwrap();

        for (i, plane) in Plane::ALL.into_iter().enumerate() {
            let view = picture.plane(plane);
            prop_assert_eq!(view.stride % STRIDE_ALIGN_BYTES, 0);
            prop_assert_eq!(view.bytes.as_ptr().align_offset(STRIDE_ALIGN_BYTES), 0);
            prop_assert_eq!(view.rows().len(), dimensions[i].1 as usize);
            for (row, expected) in view.rows().zip(sources[i].chunks(strides[i])) {
                prop_assert_eq!(row, &expected[..view.width]);
            }
        }
    }

    #[test]
    fn an_odd_edge_is_repeated_for_encoders(width in 2..70_u32, height in 2..70_u32) {
        let pool = FramePool::new(1);
        let mut stale = pool.take(size(width, height)).unwrap();
        stale.contiguous_mut().fill(0xEE);
        drop(stale);
        let mut picture = pool.take(size(width, height)).unwrap();
        let stride = picture.y_stride();
        for row in picture.y_mut().chunks_mut(stride) {
            row[..width as usize].fill(0x11);
        }
        let picture = picture.freeze();
        let even = (width.next_multiple_of(2) as usize, height.next_multiple_of(2) as usize);
        prop_assert_eq!(picture.y_even().len(), stride * even.1);
        for row in picture.y_even().chunks(stride) {
            prop_assert!(row[..even.0].iter().all(|&y| y == 0x11));
        }
    }
}
