//! One result per frame, in frame order, whatever the workers' and decoders' speed.

#![allow(clippy::unwrap_used)]

mod common;

use std::sync::Arc;
use std::sync::mpsc::sync_channel;

use common::{DEADLINE, Gate, Rig, config, gray, one, opaque, per_frame};
use frame_pipeline::driver::Pipeline;
use frame_pipeline::{
    DecoderFactory, EncodedFrame, FrameContent, FrameDecoder, FrameKind, FullReason, RawDecoder,
    builtin,
};

#[test]
fn workers_of_unequal_speed_do_not_change_the_order() {
    let gate = Gate::default();
    let slow = gate.clone();
    let rig = Rig::start(
        config(3),
        vec![per_frame("p", move |frame| {
            if frame.index == 0 {
                slow.pass();
            }
            Ok(one("source", frame.source_id))
        })],
    );
    for index in 0..40 {
        rig.pipeline.submit(gray(index, 0)).unwrap();
    }
    // The others overtake the first frame, and wait for it.
    let overtaken = || rig.pipeline.stats().waiting_for_order == 39;
    assert!(testkit::driver::wait_until(DEADLINE, overtaken));
    assert!(rig.results.try_recv().is_err());
    gate.open();
    for index in 0..40 {
        let result = rig.next();
        assert_eq!((result.index, result.source_id), (index, 1000 + index));
        assert_eq!(result.output["p"]["source"], 1000 + index);
        assert_eq!((result.pts, result.received_at), {
            let sent = gray(index, 0);
            (sent.pts, sent.received_at)
        });
    }
    let stats = rig.pipeline.stats();
    assert_eq!((stats.submitted, stats.results, stats.frames), (40, 40, 0));
    assert_eq!((stats.bytes, stats.with_errors), (0, 0));
}

/// Lets even frames wait until the next odd one has been decoded.
struct Uneven(Gate);

impl DecoderFactory for Uneven {
    fn make(&self) -> Box<dyn FrameDecoder> {
        Box::new(Self(self.0.clone()))
    }
}

impl FrameDecoder for Uneven {
    fn decode(&mut self, frame: &EncodedFrame) -> Result<FrameContent, String> {
        match frame.index {
            0 => self.0.pass(),
            7 => self.0.open(),
            _ => {}
        }
        RawDecoder::default().decode(frame)
    }
}

#[test]
fn each_frame_has_the_frame_before_it_however_they_are_decoded() {
    let (results, received) = sync_channel(100);
    let pipeline = Pipeline::start(
        frame_pipeline::PipelineConfig {
            decoders: 4,
            ..config(4)
        },
        Arc::new(Uneven(Gate::default())),
        vec![builtin("stats").unwrap()],
        0,
        Box::new(move |result| results.send(result).unwrap()),
    )
    .unwrap();
    for index in 0..32 {
        let mut frame = gray(index, (index * index % 200) as u8);
        if index == 20 {
            frame.failed = Some("lost on the way".to_owned());
        }
        pipeline.submit(frame).unwrap();
    }
    for index in 0..32_u64 {
        let result = received.recv_timeout(DEADLINE).unwrap();
        assert_eq!(result.index, index);
        if index == 20 {
            assert_eq!(result.errors, ["lost on the way"]);
            assert!(result.output.is_empty());
            continue;
        }
        let motion = &result.output["stats"]["motion"];
        match index {
            0 | 21 => assert!(motion.is_null(), "{index}: {motion}"),
            _ => {
                let [now, before] = [index, index - 1].map(|at| at * at % 200);
                assert_eq!(
                    motion.as_f64(),
                    Some(now.abs_diff(before) as f64),
                    "{index}"
                );
            }
        }
    }
}

#[test]
fn h264_goes_to_one_decoder_in_order() {
    struct Counting;
    struct Counter(u64);
    impl DecoderFactory for Counting {
        fn make(&self) -> Box<dyn FrameDecoder> {
            Box::new(Counter(0))
        }
    }
    impl FrameDecoder for Counter {
        fn decode(&mut self, frame: &EncodedFrame) -> Result<FrameContent, String> {
            let expected = self.0;
            self.0 += 1;
            if frame.index == expected {
                return Ok(FrameContent::Opaque(frame.payload.clone()));
            }
            Err(format!("{expected} was expected"))
        }
    }
    let (results, received) = sync_channel(100);
    let pipeline = Pipeline::start(
        config(2),
        Arc::new(Counting),
        vec![per_frame("p", |_| Ok(one("ok", true)))],
        0,
        Box::new(move |result| results.send(result).unwrap()),
    )
    .unwrap();
    for index in 0..50 {
        let frame = EncodedFrame {
            kind: FrameKind::H264,
            ..opaque(index, 10)
        };
        pipeline.submit(frame).unwrap();
    }
    for _ in 0..50 {
        let result = received.recv_timeout(DEADLINE).unwrap();
        assert!(result.errors.is_empty(), "{:?}", result.errors);
    }
}

#[test]
fn a_stream_resumes_where_it_is_told_and_takes_frames_only_in_order() {
    let (results, received) = sync_channel(10);
    let pipeline = Pipeline::start(
        config(1),
        Arc::new(RawDecoder::default()),
        vec![builtin("none").unwrap()],
        500,
        Box::new(move |result| results.send(result).unwrap()),
    )
    .unwrap();
    for wrong in [0, 499, 501] {
        let full = pipeline.submit(opaque(wrong, 1)).unwrap_err();
        assert_eq!(full.reason, FullReason::OutOfOrder { expected: 500 });
        assert_eq!(full.frame.index, wrong);
    }
    pipeline.submit(opaque(500, 3)).unwrap();
    let result = received.recv_timeout(DEADLINE).unwrap();
    assert_eq!(
        (result.index, &result.output["none"]["bytes"]),
        (500, &3.into())
    );
    pipeline.finish();
    let full = pipeline.submit(opaque(501, 1)).unwrap_err();
    assert_eq!(full.reason, FullReason::Finished);
}
