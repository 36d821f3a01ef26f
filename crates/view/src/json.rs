//! What scripts read: JSON with a version, durations in seconds.

use serde::ser::Error as _;
use serde_json::{Map, Value, json};

/// Counts up when a field is taken away, or means something else than before. A field that is added changes
/// nothing.
const VERSION: u32 = 1;

/// `value` as JSON, which has to be a map; sizes are bytes, durations seconds, shares from 0 to 1.
pub fn render(value: &impl serde::Serialize) -> Result<String, serde_json::Error> {
    let mut value = serde_json::to_value(value)?;
    in_seconds(&mut value);
    let Value::Object(map) = &mut value else {
        return Err(serde_json::Error::custom("what is no map has no place for a version"));
    };
    map.insert("version".to_owned(), json!(VERSION));
    serde_json::to_string_pretty(&value)
}

fn in_seconds(value: &mut Value) {
    match value {
        Value::Object(map) => match seconds(map) {
            Some(seconds) => *value = json!(seconds),
            None => map.values_mut().for_each(in_seconds),
        },
        Value::Array(list) => list.iter_mut().for_each(in_seconds),
        _ => {}
    }
}

/// A `Duration`, as serde writes it.
fn seconds(map: &Map<String, Value>) -> Option<f64> {
    let (seconds, nanos) = (map.get("secs")?.as_f64()?, map.get("nanos")?.as_f64()?);
    (map.len() == 2).then_some(seconds + nanos / 1e9)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn durations_are_seconds_and_the_version_is_told() {
        #[derive(serde::Serialize)]
        struct Told {
            up: Duration,
            ages: Vec<Option<Duration>>,
        }
        let told = Told { up: Duration::from_millis(1500), ages: vec![None, Some(Duration::from_secs(2))] };
        let read: Value = serde_json::from_str(&render(&told).unwrap()).unwrap();
        assert_eq!(read, json!({ "version": VERSION, "up": 1.5, "ages": [null, 2.0] }));
    }

    #[test]
    fn what_has_no_place_for_a_version_is_refused() {
        for value in [json!([1]), json!("text"), json!({ "secs": 1, "nanos": 0 })] {
            assert!(render(&value).is_err(), "{value}");
        }
    }
}
