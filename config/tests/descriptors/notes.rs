//! The options of messages and fields that Envoy lives by: `udpa.annotations.sensitive`, and the rules of `validate.*`.

use std::collections::{BTreeMap, BTreeSet};

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};

/// Options by the full names of messages.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    /// Message and field number of what must not be shown.
    pub sensitive: BTreeSet<(String, i32)>,
    /// Message, field number, and the encoded `validate.FieldRules`.
    pub rules: BTreeMap<(String, i32), Vec<u8>>,
    /// Messages whose rules are switched off.
    pub unruled: BTreeSet<String>,
    /// Message and name of a oneof of which one field must be set.
    pub required: BTreeSet<(String, String)>,
}

impl Notes {
    /// Notes the messages of one file.
    pub(crate) fn take(&mut self, pool: &DescriptorPool, file: &str) {
        let file = pool.get_file_by_name(file).expect("it was compiled");
        file.messages().for_each(|message| self.message(pool, &message));
    }

    fn message(&mut self, pool: &DescriptorPool, message: &MessageDescriptor) {
        let name = message.full_name();
        if flag(pool, &message.options(), "validate.disabled") || flag(pool, &message.options(), "validate.ignored") {
            self.unruled.insert(name.to_owned());
        }
        for oneof in message.oneofs() {
            if flag(pool, &oneof.options(), "validate.required") {
                self.required.insert((name.to_owned(), oneof.name().to_owned()));
            }
        }
        for field in message.fields() {
            let key = (name.to_owned(), i32::try_from(field.number()).expect("field numbers have 29 bits"));
            let options = field.options();
            if let Some(Value::Message(rules)) = option(pool, &options, "validate.rules") {
                self.rules.insert(key.clone(), rules.encode_to_vec());
            }
            if flag(pool, &options, "udpa.annotations.sensitive") {
                self.sensitive.insert(key);
            }
        }
        message.child_messages().for_each(|child| self.message(pool, &child));
    }
}

fn flag(pool: &DescriptorPool, options: &DynamicMessage, name: &str) -> bool {
    matches!(option(pool, options, name), Some(Value::Bool(true)))
}

/// The value of an option that is set. Files that do not import its declaration cannot set it.
fn option(pool: &DescriptorPool, options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = pool.get_extension_by_name(name)?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}
