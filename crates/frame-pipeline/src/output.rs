//! Which of the processors' fields are kept.
//!
//! Fed by a worker with each processor's output; what is kept goes into the frame's result.

use serde_json::Value;

use crate::Fields;

/// Which fields of the processors' output results carry.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum DataOutput {
    /// Every field.
    #[default]
    All,
    /// None: results say only that the frame was processed, and its errors.
    None,
    /// Those that are named: `stats` is all that the processor `stats` found, `luma_mean` is that
    /// field of any processor, `stats.luma_mean` that field of that processor. A name that no
    /// processor has is ignored.
    Fields(Vec<String>),
}

impl DataOutput {
    /// Puts what is kept of a processor's `fields` into `output`, as an object under `name`.
    /// Nothing is put there where fields are named and none of them are this processor's.
    pub(crate) fn keep(&self, output: &mut Fields, name: &str, mut fields: Fields) {
        let named = match self {
            Self::All => None,
            Self::None => return,
            Self::Fields(named) => Some(named),
        };
        if let Some(named) = named
            && !named.iter().any(|wanted| wanted == name)
        {
            fields.retain(|field, _| named.iter().any(|wanted| is_named(wanted, name, field)));
            if fields.is_empty() {
                return;
            }
        }
        output.insert(name.to_owned(), Value::Object(fields));
    }
}

fn is_named(wanted: &str, name: &str, field: &str) -> bool {
    wanted == field
        || wanted
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('.'))
            .is_some_and(|rest| rest == field)
}

/// Makes names unique: the second `onnx` becomes `onnx-2`.
pub(crate) fn unique_names<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut unique: Vec<String> = Vec::new();
    for name in names {
        let candidates = (2..).map(|n| format!("{name}-{n}"));
        let free = std::iter::once(name.to_owned())
            .chain(candidates)
            .find(|candidate| !unique.contains(candidate));
        unique.extend(free);
    }
    unique
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(output: &DataOutput) -> Value {
        let mut kept = Fields::new();
        for (name, field) in [
            ("stats", "luma_mean"),
            ("stats-2", "luma_mean"),
            ("dhash", "hash"),
        ] {
            let fields = Fields::from_iter([
                (field.to_owned(), Value::from(1)),
                ("other".to_owned(), Value::from(2)),
            ]);
            output.keep(&mut kept, name, fields);
        }
        Value::Object(kept)
    }

    fn fields(names: &[&str]) -> DataOutput {
        DataOutput::Fields(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn fields_are_kept_by_processor_by_name_or_by_both() {
        assert_eq!(kept(&DataOutput::All)["dhash"]["other"], 2);
        assert_eq!(kept(&DataOutput::None), serde_json::json!({}));
        assert_eq!(
            kept(&fields(&["dhash"])),
            serde_json::json!({ "dhash": { "hash": 1, "other": 2 } })
        );
        assert_eq!(
            kept(&fields(&["luma_mean"])),
            serde_json::json!({ "stats": { "luma_mean": 1 }, "stats-2": { "luma_mean": 1 } })
        );
        assert_eq!(
            kept(&fields(&["stats.luma_mean", "nothing"])),
            serde_json::json!({ "stats": { "luma_mean": 1 } })
        );
    }

    #[test]
    fn names_are_made_unique() {
        let names = ["onnx", "stats", "onnx", "onnx-2", "onnx"];
        assert_eq!(
            unique_names(names.into_iter()),
            ["onnx", "stats", "onnx-2", "onnx-2-2", "onnx-3"]
        );
    }
}
