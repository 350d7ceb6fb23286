//! A pipeline with an encoder: each result has the frame as it is to be shown.

#![allow(clippy::unwrap_used, clippy::panic)]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::{Rig, config, gray, one, opaque, per_frame};
use frame_buffer::{FramePool, Picture, PictureSize};
use frame_pipeline::driver::Stages;
use frame_pipeline::{EncoderFactory, Output, PictureEncoder, RawDecoder, builtin};

/// Encodes a picture as its first luma sample; panics at black, fails at white.
struct FirstSample;

impl PictureEncoder for FirstSample {
    fn encode(&mut self, picture: &Picture) -> Result<Bytes, String> {
        match picture.y_even()[0] {
            0 => panic!("black"),
            255 => Err("white".to_owned()),
            sample => Ok(Bytes::from(vec![sample])),
        }
    }
}

impl EncoderFactory for FirstSample {
    fn make(&self) -> Box<dyn PictureEncoder> {
        Box::new(Self)
    }
}

fn rig(processors: Vec<Arc<dyn frame_pipeline::ProcessorFactory>>) -> Rig {
    Rig::start_stages(
        config(2),
        Stages {
            decoder: Arc::new(RawDecoder::default()),
            processors,
            encoder: Some(Arc::new(FirstSample)),
        },
    )
}

#[test]
fn a_frame_comes_back_as_it_came_where_no_processor_draws() {
    // `none` needs no pixels: the encoder does.
    let rig = rig(vec![builtin("none").unwrap()]);
    let results = rig.run((0..20).map(|index| gray(index, 10 + index as u8)));
    for (at, result) in results.iter().enumerate() {
        let picture = result.picture.as_ref().unwrap();
        assert_eq!((picture.width, picture.height), (16, 8));
        assert_eq!(&picture.payload[..], [10 + at as u8]);
        assert_eq!(result.output["none"]["bytes"], 16 * 8 * 3);
    }
}

#[test]
fn what_the_last_processor_drew_comes_back() {
    let pool = FramePool::new(4);
    let draw = move |luma: u8| {
        let pool = pool.clone();
        move |frame: &frame_pipeline::DecodedFrame| {
            let mut picture = pool.take(PictureSize::new(4, 2).unwrap()).unwrap();
            picture.planes_mut()[0].fill(luma + frame.index as u8);
            Ok(Output {
                fields: one("drew", luma).fields,
                picture: Some(picture.freeze()),
            })
        }
    };
    let rig = rig(vec![
        per_frame("first", draw.clone()(100)),
        per_frame("second", draw(150)),
        builtin("stats").unwrap(),
    ]);
    for (at, result) in rig
        .run((0..5).map(|index| gray(index, 9)))
        .iter()
        .enumerate()
    {
        let picture = result.picture.as_ref().unwrap();
        assert_eq!((picture.width, picture.height), (4, 2));
        assert_eq!(&picture.payload[..], [150 + at as u8]);
        assert_eq!(result.output["first"]["drew"], 100);
    }
}

#[test]
fn a_picture_that_cannot_be_encoded_costs_its_frame_an_error() {
    let rig = rig(vec![builtin("stats").unwrap()]);
    let mut frames: Vec<_> = [0, 255, 40]
        .into_iter()
        .zip(0..)
        .map(|(luma, at)| gray(at, luma))
        .collect();
    frames.push(opaque(3, 5));
    frames.push(gray(4, 50));
    let results = rig.run(frames);
    let said = |at: usize| results[at].errors.join("; ");
    assert!(said(0).contains("encode: panicked: black"), "{}", said(0));
    assert!(said(1).contains("encode: white"), "{}", said(1));
    assert!(
        said(3).contains("encode: the frame is no picture"),
        "{}",
        said(3)
    );
    for (at, luma) in [(2, 40), (4, 50)] {
        assert_eq!(said(at), "");
        assert_eq!(&results[at].picture.as_ref().unwrap().payload[..], [luma]);
        assert!(results[at].output["stats"]["luma_mean"].is_number());
    }
}
