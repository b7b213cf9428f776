//! Any flags.toml, in its first environment if it has one, evaluated for any context. No input panics, and the
//! explained answer is the plain answer.
//!
//! The context is a JSON object behind a line of three dashes:
//! `{"user": "ana", "groups": ["beta"], "attributes": {"os": "ios"}}`.
//!
//! After a first byte of 0, the input is the choices from which a file is generated. Such a file uses all words of the
//! language where they are valid.

#![no_main]

#[path = "../../it/random_files.rs"]
mod random_files;

use flagstaff::{
    Context, Flags, Memory, Snapshot,
    answer::{ErrorCode, Value},
    definition::FlagsFile,
    explain::Outcome,
};
use libfuzzer_sys::fuzz_target;
use serde_json::Value as Json;
use tokio::runtime::Builder;

/// The context for a file that is generated from choices.
const CONTEXT: &str = "\n---\n{\"user\": \"bob\", \"attributes\": {\"plan\": \"gold\", \"seats\": \"12\"}}";

fuzz_target!(|bytes: &[u8]| {
    let text = match bytes.strip_prefix(b"\0") {
        Some(choices) => (random_files::file(choices) + CONTEXT).into(),
        None => String::from_utf8_lossy(bytes),
    };
    let (text, context) = text.split_once("\n---\n").unwrap_or((&text, ""));
    let file = FlagsFile::parse("flags.toml", text);
    let environment = file.environments().next().map(str::to_owned);
    let file = match environment {
        Some(name) => file.in_environment(&name).expect("it has that environment"),
        None => file,
    };
    let defined = file.flags().iter();
    let memory = defined
        .fold(Memory::new(), |memory, (key, definition)| memory.with(key, definition.clone()));
    // Not `Flags::for_test`, which panics if a required flag is not declared.
    // A runtime for each input: one that is never driven would keep the tasks of dropped flags.
    let runtime = Builder::new_current_thread().enable_time().build();
    let runtime = runtime.expect("a runtime of one thread");
    let flags = runtime.block_on(Flags::builder().source(memory).start());
    let snapshot = flags.expect("the source starts").snapshot();

    let context = self::context(&serde_json::from_str(context).unwrap_or_default());
    for (key, definition) in file.flags() {
        check(&snapshot, key, &context);
        check(&snapshot, key, &Context::anonymous());
        // The evaluation of a user on a list takes other steps than that of other users.
        let lists = [&definition.denied_users, &definition.allowed_users];
        for user in lists.into_iter().filter_map(|list| list.value()?.first()) {
            check(&snapshot, key, &Context::user(user));
        }
        assert!(file.lines().flag(key).is_some_and(|line| line <= text.lines().count()));
    }
});

fn context(json: &Json) -> Context<'static> {
    let context = match &json["user"] {
        Json::String(user) => Context::user(user.clone()),
        _ => Context::anonymous(),
    };
    let groups = json["groups"].as_array().into_iter().flatten();
    let context = context.groups(groups.filter_map(|it| Some(it.as_str()?.to_owned())));
    let attributes = json["attributes"].as_object().into_iter().flatten();
    attributes.fold(context, |context, (name, json)| match value(json) {
        Some(value) => context.attribute(name.clone(), value),
        None => context,
    })
}

fn value(json: &Json) -> Option<Value<'static>> {
    Some(match json {
        Json::Null => return None,
        Json::Bool(value) => Value::Bool(*value),
        Json::Number(number) => match number.as_i64() {
            Some(integer) => Value::Integer(integer),
            None => Value::Float(number.as_f64()?),
        },
        Json::String(text) => Value::String(text.clone().into()),
        Json::Array(list) => Value::List(list.iter().filter_map(value).collect()),
        Json::Object(table) => {
            let members =
                table.iter().filter_map(|(name, json)| Some((name.clone(), value(json)?)));
            members.collect()
        }
    })
}

fn check(snapshot: &Snapshot, key: &str, context: &Context<'_>) {
    let explanation = snapshot.explain(key, context);

    let gate = snapshot.all(context).find(|(name, _)| *name == key).map(|(_, answer)| answer);
    assert_eq!(Some(explanation.answer), gate, "{explanation}");
    assert_eq!(explanation.answer.value, snapshot.is_enabled(key, context), "{explanation}");
    let boolean = snapshot.boolean(key, context, false);
    if boolean.error_code != Some(ErrorCode::TypeMismatch) && explanation.served.is_none() {
        assert_eq!(explanation.answer, boolean, "{explanation}");
    }
    let variant = snapshot.variant(key, context, "");
    match &explanation.served {
        None => assert_eq!(variant.variant, None, "{explanation}"),
        // A constant is not a variant.
        Some(served) if served.variant.is_none() => {
            assert_eq!(variant.error_code, Some(ErrorCode::TypeMismatch), "{explanation}");
            assert_eq!(served.error_code, None, "{explanation}");
        }
        Some(served) => assert_eq!(
            (served.variant, served.reason, served.cause, served.error_code),
            (variant.variant, variant.reason, variant.cause, variant.error_code),
            "{explanation}"
        ),
    }
    let decided = explanation.steps.iter().filter(|step| step.outcome == Outcome::Decided);
    assert_eq!(decided.count(), 1, "{explanation}");
    let json = serde_json::to_value(&explanation).expect("an explanation is JSON");
    assert_eq!(json["answer"]["value"], explanation.answer.value);
    let hidden = explanation.redact_all();
    assert_eq!(hidden.clone().redact_all(), hidden);
    let _ = hidden.to_string();
}
