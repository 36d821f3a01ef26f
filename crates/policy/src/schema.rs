use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::Value;
use std::borrow::Cow;

use crate::{raw, read::At};

impl<T: JsonSchema> JsonSchema for At<T> {
    fn inline_schema() -> bool {
        T::inline_schema()
    }

    fn schema_name() -> Cow<'static, str> {
        T::schema_name()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        T::json_schema(generator)
    }
}

/// The JSON Schema of `lowtide.yaml`, for editors: every key with its meaning, what is allowed, and its
/// default.
///
/// Files in `policies.d` hold `policies` only, and are valid under the same schema.
#[must_use]
pub fn schema() -> Value {
    let mut schema = SchemaGenerator::default().into_root_schema_for::<raw::Host>().to_value();
    tidy(&mut schema);
    schema
}

/// Removes `null`, which is for keys without a value: an error here. Adds what is allowed and the default to
/// the description, since that is what editors show.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(tidy);
            tidy_type(map);
            describe(map);
        }
        Value::Array(list) => list.iter_mut().for_each(tidy),
        _ => {}
    }
}

fn tidy_type(map: &mut serde_json::Map<String, Value>) {
    if let Some(Value::Array(names)) = map.get_mut("enum") {
        names.retain(|name| !name.is_null());
    }
    let Some(Value::Array(types)) = map.get_mut("type") else { return };
    types.retain(|name| name != "null");
    if let [only] = types.as_slice() {
        let only = only.clone();
        map.insert("type".into(), only);
    }
}

fn describe(map: &mut serde_json::Map<String, Value>) {
    let Some(Value::String(allowed)) = map.remove("x-allowed") else { return };
    let meaning = map.get("description").and_then(Value::as_str).unwrap_or_default().replace('\n', " ");
    let default = map.get("default").and_then(Value::as_str).map(|text| format!(" Default: {text}."));
    let text = format!("{meaning} Allowed: {allowed}.{}", default.unwrap_or_default());
    map.insert("description".into(), text.trim_start().into());
}
