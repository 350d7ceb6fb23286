//! `onnx`: runs a model from a file, on the CPU, with tract.
//!
//! The model is read and optimised once; workers share it. Its first input takes one RGB picture
//! (NCHW, `f32`, 0–1) of a fixed size; of its outputs the first is reported.

use std::sync::Arc;

use serde_json::Value;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid;
use tract_onnx::tract_hir::internal::DimLike;

use super::super::tensor;
use crate::{DecodedFrame, FrameProcessor, Output, ProcessorError, ProcessorFactory};

/// Most values of an output that a result carries.
const MAX_VALUES: usize = 1024;
/// Largest side of a model's input: what a picture may have.
const MAX_SIDE: usize = 16_384;

/// A model, ready to run.
#[derive(Clone)]
pub(in crate::processors) struct Onnx {
    model: Arc<TypedRunnableModel>,
    width: usize,
    height: usize,
}

impl Onnx {
    /// # Errors
    /// When the file is no model, or its input no RGB picture of a fixed size.
    pub(in crate::processors) fn load(path: &str) -> Result<Self, String> {
        let inference = onnx().model_for_path(path).map_err(said)?;
        let (width, height) = input_size(&inference)?;
        let input = InferenceFact::dt_shape(f32::datum_type(), [1, 3, height, width]);
        let model = inference
            .with_input_fact(0, input)
            .and_then(|model| model.into_optimized())
            .and_then(|model| model.into_runnable())
            .map_err(said)?;
        Ok(Self {
            model,
            width,
            height,
        })
    }

    fn run(&self, frame: &DecodedFrame) -> Result<Output, String> {
        let pixels = tensor::rgb(&frame.content, self.width, self.height)?;
        let input = Tensor::from_shape(&[1, 3, self.height, self.width], &pixels).map_err(said)?;
        let outputs = self.model.run(tvec!(input.into())).map_err(said)?;
        let first = outputs.first().ok_or("the model has no output")?;
        let values = first.cast_to::<f32>().map_err(said)?;
        let values = values.to_plain_array_view::<f32>().map_err(said)?;
        let shape: Vec<Value> = first.shape().iter().map(|&side| side.into()).collect();
        let largest = values
            .iter()
            .enumerate()
            .max_by(|(_, a), (_, b)| a.total_cmp(b));
        let values: Vec<Value> = values
            .iter()
            .take(MAX_VALUES)
            .map(|&it| it.into())
            .collect();
        Ok(Output::from_iter([
            ("shape".to_owned(), shape.into()),
            ("values".to_owned(), values.into()),
            ("argmax".to_owned(), largest.map(|(at, _)| at).into()),
        ]))
    }
}

/// An error with what led to it, in one line.
#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn said(error: TractError) -> String {
    format!("{error:#}")
}

/// Columns and rows of the first input.
fn input_size(model: &InferenceModel) -> Result<(usize, usize), String> {
    let fact = model.input_fact(0).map_err(said)?;
    let sides: Vec<Option<usize>> = fact
        .shape
        .dims()
        .map(|side| side.concretize().and_then(|side| side.to_usize().ok()))
        .collect();
    match sides[..] {
        [None | Some(1), Some(3), Some(height), Some(width)]
            if (1..=MAX_SIDE).contains(&height) && (1..=MAX_SIDE).contains(&width) =>
        {
            Ok((width, height))
        }
        _ => Err(format!(
            "its input is {:?}, not one RGB picture of a fixed size: export the model with an input of \
             1 x 3 x HEIGHT x WIDTH",
            fact.shape
        )),
    }
}

impl ProcessorFactory for Onnx {
    fn name(&self) -> &str {
        "onnx"
    }

    fn make(&self) -> Result<Box<dyn FrameProcessor>, ProcessorError> {
        Ok(Box::new(self.clone()))
    }
}

impl FrameProcessor for Onnx {
    fn process(&mut self, batch: &[DecodedFrame]) -> Vec<Result<Output, String>> {
        batch.iter().map(|frame| self.run(frame)).collect()
    }
}
