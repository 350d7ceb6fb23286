//! One worker's processors: made, run on a batch, replaced after a panic.

use std::sync::Arc;

use super::caught;
use crate::output::unique_names;
use crate::result::Made;
use crate::{
    DataOutput, DecodedFrame, FrameProcessor, Interrupter, Output, ProcessorError, ProcessorFactory,
};

/// What a batch came to.
pub(super) struct Processed {
    /// What was made of each frame; `None` when the frames are to be tried again, each alone.
    pub(super) results: Option<Vec<Made>>,
    pub(super) panics: u64,
}

pub(super) struct Slots {
    slots: Vec<Slot>,
}

struct Slot {
    name: String,
    factory: Arc<dyn ProcessorFactory>,
    /// The instance, or why there is none.
    instance: Result<Instance, String>,
}

struct Instance {
    processor: Box<dyn FrameProcessor>,
    interrupter: Option<Interrupter>,
}

/// What became of one processor's call.
enum Call {
    Results(Vec<Result<Output, String>>),
    Failed(String),
    Panicked(String),
}

impl Slots {
    pub(super) fn new(factories: Vec<Arc<dyn ProcessorFactory>>) -> Self {
        let names = unique_names(factories.iter().map(|factory| factory.name()));
        let slots = names
            .into_iter()
            .zip(factories)
            .map(|(name, factory)| Slot {
                name,
                factory,
                instance: Err("was not made yet".to_owned()),
            });
        Self {
            slots: slots.collect(),
        }
    }

    /// Makes the instances that are missing; the first that cannot be made is the error.
    pub(super) fn make_all(&mut self) -> Result<(), ProcessorError> {
        for slot in self.slots.iter_mut().filter(|it| it.instance.is_err()) {
            slot.make()?;
        }
        Ok(())
    }

    /// Makes the instances that are missing; one that cannot be made fails the next batch.
    pub(super) fn refill(&mut self) {
        for slot in self.slots.iter_mut().filter(|it| it.instance.is_err()) {
            if let Err(error) = slot.make() {
                tracing::warn!(%error, "a processor cannot be made");
                slot.instance = Err(error.to_string());
            }
        }
    }

    /// Whether `ask` holds for any instance.
    pub(super) fn any(&self, ask: impl Fn(&dyn FrameProcessor) -> bool) -> bool {
        let mut instances = self.slots.iter().filter_map(|it| it.instance.as_ref().ok());
        instances.any(|it| caught::call(|| ask(&*it.processor)).unwrap_or(true))
    }

    pub(super) fn interrupters(&self) -> Vec<Interrupter> {
        let instances = self.slots.iter().filter_map(|it| it.instance.as_ref().ok());
        instances.filter_map(|it| it.interrupter.clone()).collect()
    }

    /// Runs every processor on the batch.
    pub(super) fn process(&mut self, frames: &[DecodedFrame], keep: &DataOutput) -> Processed {
        let mut results = vec![Made::default(); frames.len()];
        let mut panics = 0;
        for slot in &mut self.slots {
            let error = match slot.call(frames) {
                Call::Results(list) => {
                    slot.merge(list, keep, &mut results);
                    continue;
                }
                Call::Failed(error) => error,
                Call::Panicked(message) => {
                    panics += 1;
                    if frames.len() > 1 {
                        return Processed {
                            results: None,
                            panics,
                        };
                    }
                    format!("panicked: {message}")
                }
            };
            for made in &mut results {
                made.errors.push(format!("{}: {error}", slot.name));
            }
        }
        Processed {
            results: Some(results),
            panics,
        }
    }
}

impl Slot {
    fn make(&mut self) -> Result<(), ProcessorError> {
        let made = caught::call(|| {
            let processor = self.factory.make()?;
            let interrupter = processor.interrupter();
            Ok(Instance {
                processor,
                interrupter,
            })
        });
        let name = &self.name;
        self.instance = Ok(made.unwrap_or_else(|message| {
            let name = name.clone();
            Err(ProcessorError::Panicked { name, message })
        })?);
        Ok(())
    }

    fn call(&mut self, frames: &[DecodedFrame]) -> Call {
        let instance = match &mut self.instance {
            Ok(instance) => instance,
            Err(error) => return Call::Failed(error.clone()),
        };
        match caught::call(|| instance.processor.process(frames)) {
            Ok(results) if results.len() == frames.len() => Call::Results(results),
            Ok(results) => {
                let (got, wanted) = (results.len(), frames.len());
                Call::Failed(format!("returned {got} results for {wanted} frames"))
            }
            Err(message) => {
                self.drop_instance();
                Call::Panicked(message)
            }
        }
    }

    fn merge(&self, list: Vec<Result<Output, String>>, keep: &DataOutput, results: &mut [Made]) {
        for (result, made) in list.into_iter().zip(results) {
            match result {
                Ok(output) => {
                    keep.keep(&mut made.fields, &self.name, output.fields);
                    made.drawn = output.picture.or(made.drawn.take());
                }
                Err(error) => made.errors.push(format!("{}: {error}", self.name)),
            }
        }
    }

    fn drop_instance(&mut self) {
        let broken = std::mem::replace(&mut self.instance, Err("was dropped".to_owned()));
        if let Err(message) = caught::call(|| drop(broken)) {
            tracing::error!(name = self.name, message, "a processor's drop panicked");
        }
    }
}

impl Drop for Slots {
    fn drop(&mut self) {
        for slot in &mut self.slots {
            slot.drop_instance();
        }
    }
}
