//! Any bytes as the JSON of a flag: the valid part survives being written and read again.

#![no_main]

use flagstaff::definition::{from_json, from_json_object, to_json, Setting, UnknownKeys};
use libfuzzer_sys::fuzz_target;
use serde_json::{Map, Value};

fuzz_target!(|bytes: &[u8]| {
    let definition = match from_json("flag", bytes) {
        Ok(definition) => definition,
        Err(error) => {
            assert!(!error.problems().is_empty());
            assert!(error.problems().iter().all(|problem| !problem.is_empty()));
            return;
        }
    };

    let object = to_json(&definition);
    let text = Value::Object(object.clone()).to_string();
    assert_eq!(from_json_object("flag", &object, UnknownKeys::Reject).as_ref(), Ok(&definition));
    assert_eq!(from_json("flag", &text).as_ref(), Ok(&definition), "{text}");
    assert!(object.keys().eq(definition.fields().map(|field| field.as_str())));
    assert_eq!(
        object.get("enabled").is_some_and(Value::is_null),
        definition.enabled == Setting::Remove
    );

    // Without rejected keys, ignoring unknown keys makes no difference.
    let given: Map<String, Value> = serde_json::from_slice(bytes).expect("an object");
    assert_eq!(from_json_object("flag", &given, UnknownKeys::Ignore), Ok(definition));
});
