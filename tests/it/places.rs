//! flagstaff.toml: the files of `tests/data/places`, variables of the environment, and passwords.

use std::{collections::BTreeSet, env, fs};

use flagstaff::definition::{
    Code,
    places::{PlaceValue, PlacesFile, json_schema},
};
use serde_json::Value;

use crate::{
    definition::{each, snapshot},
    schema::{editor, json},
    support::root,
};

/// The password in all places.
const PASSWORD: &str = "hunter2";

fn parse(text: &str) -> PlacesFile {
    PlacesFile::parse("flagstaff.toml", text)
}

/// Returns the value of a variable: its name in lower case.
fn variable(name: &str) -> Option<String> {
    Some(name.to_lowercase())
}

#[test]
fn good_files_name_places() {
    each("places/ok", |name, text| {
        let file = parse(text);
        assert!(file.diagnostics().is_empty(), "{name}: {}", file.diagnostics());

        let places = [None].into_iter().chain(file.names().map(Some));
        let settings = places.map(|place| {
            let settings = file.resolve(place, variable).unwrap().expect("it is named");
            format!("{}: {settings:#?}\n", place.unwrap_or("(top level)"))
        });
        snapshot("places/ok", name, &settings.collect::<String>());
    });
}

#[test]
fn bad_files_are_explained_without_their_passwords() {
    let mut codes = BTreeSet::new();
    each("places/bad", |name, text| {
        let file = parse(text);
        codes.extend(file.diagnostics().iter().map(|problem| problem.code));

        let mut places = [None].into_iter().chain(file.names().map(Some));
        assert!(places.any(|place| file.resolve(place, variable).is_err()), "{name}");
        let shown = file.diagnostics().to_string();
        assert!(!shown.contains(PASSWORD) && !format!("{file:?}").contains(PASSWORD), "{shown}");
        snapshot("places/bad", name, &shown);
    });

    assert!(codes.contains(&Code::PasswordInFile) && codes.contains(&Code::UnknownKey));
}

#[test]
fn a_password_is_an_error_wherever_it_is_and_is_never_shown() {
    for value in [
        "redis://:hunter2@h",
        "redis://u:hunter2@h:6379/1",
        "rediss://u:hunter2@h",
        "redis://u:$A-hunter2@h",
        "redis://u:hun/ter2hunter2@h",
        "redis://u%3Ahunter2@h",
        "redis%3A//u:hunter2@h",
        "redis://u:hunter2%40@h",
        "redis://a:6379,redis://u:hunter2@h",
        "unix:///run/redis.sock?db=1&pass=hunter2",
        "redis://h?PassWord=hunter2",
        "redis://h#auth=hunter2",
        "redis://:hunter2",
        "redis://u:${A}hunter2",
        "redis://h:${PORT}%2Fhunter2",
        "redis://:hunter2@h:${PORT}",
    ] {
        let escaped = value.replace(':', "\\u003a");
        for text in [
            format!("redis = \"{value}\"\n"),
            format!("redis = '{value}' # as before\n"),
            format!("redis = \"{escaped}\"\n"),
            format!("redis = \"\"\"\n{value}\"\"\"\n"),
            format!("[places.a]\nsentinel = [\"redis://h\", \"{value}\"]\n"),
            format!("places.a = {{ key = \"{value}\" }}\n"),
        ] {
            let file = parse(&text);

            let codes: Vec<_> = file.diagnostics().iter().map(|problem| problem.code).collect();
            assert_eq!(codes, [Code::PasswordInFile], "{text}");
            let shown = format!("{} {file:?}", file.diagnostics());
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
        // Also if the line has another mistake.
        for text in [
            format!("redis = \"{value}\n"),
            format!("redis = {value}\n"),
            format!("rediz = \"{value}\"\n"),
        ] {
            let shown = parse(&text).diagnostics().to_string();
            assert!(!shown.contains("hunter2"), "{text}: {shown}");
        }
    }
}

#[test]
fn locations_behind_a_hidden_password_are_those_of_the_file() {
    let file = parse("places.a = { key = 'redis://:ünïcodé€👍@h', b = 1 }\n");

    let locations: Vec<_> =
        file.diagnostics().iter().map(|problem| problem.location.to_string()).collect();

    assert_eq!(locations, ["1:20", "1:44"]);
    assert!(file.diagnostics().to_string().contains("'redis://:·"), "{}", file.diagnostics());
}

#[test]
fn a_url_without_a_password_is_none() {
    for value in [
        "redis://h",
        "redis://h:6379/1",
        "redis://127.0.0.1:${PORT}/7",
        "redis://h:$PORT",
        "redis://u:${PASSWORD}@h:${PORT}/7",
        "redis://u@h",
        "redis://u@[::1]:6379",
        "redis://[::1]:6379/2",
        "redis://$USER:$PASSWORD@h",
        "redis://:${PASSWORD}@h:6379",
        "redis://a:6379,redis://b:6380",
        "unix:///run/redis.sock?db=1",
        "$REDIS_URL",
    ] {
        for text in [format!("redis = \"{value}\"\n"), format!("redis = ['{value}']\n")] {
            let file = parse(&text);
            assert!(file.diagnostics().is_empty(), "{}", file.diagnostics());
        }
    }
}

#[test]
fn a_variable_that_is_not_set_concerns_the_place_that_names_it() {
    let file = parse(
        "[places.a]\nredis = \"redis://$HOST:${PORT}\"\n[places.b]\nredis = \"$SET\"\nkey = 'x'\n",
    );
    let set = |name: &str| match name {
        "SET" => Some("redis://b".to_owned()),
        "PORT" => Some(String::new()),
        _ => None,
    };

    let b = file.resolve(Some("b"), set).unwrap().unwrap();
    assert_eq!((b.redis[0].value(), b.key.unwrap().value()), ("redis://b", "x"));
    let unset = file.resolve(Some("a"), set).unwrap_err();
    assert_eq!(
        unset.summary(),
        "flagstaff.toml:2:9: error[unset-variable]: environment variable `HOST` is not set"
    );
    assert!(file.clone().without("redis").resolve(Some("a"), set).is_ok());
    assert_eq!(file.resolve(Some("c"), set).unwrap(), None);
}

#[test]
fn a_value_of_a_variable_is_not_expanded_again() {
    let file = parse("redis = \"$LIST\"\nkey = \"$A$$B${C}\"\n");
    let set = |name: &str| match name {
        "LIST" => Some("redis://a,redis://$b".to_owned()),
        name => Some(format!("<${name}>")),
    };

    let place = file.resolve(None, set).unwrap().unwrap();

    let redis: Vec<_> = place.redis.iter().map(PlaceValue::value).collect();
    assert_eq!(redis, ["redis://a", "redis://$b"]);
    let key = place.key.unwrap();
    assert_eq!((key.value(), &*key.to_string()), ("<$A>$B<$C>", "$A$$B${C}"));
}

#[test]
fn a_mistake_in_one_place_leaves_the_others_usable() {
    for broken in [
        "[places.b]\nprotect = true\n",
        "[places.b]\nkey = 3\n",
        "[places.b]\nredis = \"redis://:hunter2@h\"\n",
        "[places.b]\nredis = redis://h\n",
        "[places.b]\nredis = \"redis://h\n",
        "[places.b]\nkey = \"a\"\nkey = \"b\"\n",
        "[places.b]\nkey = \"a\"\n[places.b]\nkey = \"b\"\n",
        "[places.b]\nkey = \"a\"\nkey_prefix = \"b\"\n",
        "[places.b]\nprotected = tru\n",
        "[places]\nb = 3\n",
    ] {
        for text in [
            format!("{broken}[places.a]\nkey = \"shop\"\n"),
            format!("[places.a]\nkey = \"shop\"\n{broken}"),
        ] {
            if text.contains("[places]\n") && text.starts_with("[places.a]") {
                continue;
            }
            let file = parse(&text);

            let a = file.resolve(Some("a"), variable).unwrap_or_else(|it| panic!("{text}{it}"));
            assert_eq!(a.unwrap().key.unwrap().value(), "shop", "{text}");
            assert!(file.resolve(None, variable).is_ok(), "{text}");
            assert!(file.resolve(Some("b"), variable).is_err(), "{text}");
            let elsewhere = file.diagnostics_elsewhere(Some("a"));
            assert!(
                elsewhere.has_errors() && file.diagnostics_of(Some("b")).has_errors(),
                "{text}"
            );
        }
    }
}

#[test]
fn a_mistake_that_may_have_an_effect_elsewhere_concerns_all_places() {
    for text in [
        "[places.a]\nkey = \"shop\"\n[places.b\nprotected = true\n",
        "[places.b]\nkey = \"\"\"\n[places.a]\nkey = \"shop\"\n",
        "[places.b]\nfile = [\"x\"\n[places.a]\nkey = \"shop\"\n",
        "protect = true\n[places.a]\nkey = \"shop\"\n",
        "[staging]\nkey = \"x\"\n[places.a]\nkey = \"shop\"\n",
        "places = 3\n",
        "key =\n[places.a]\nkey = \"shop\"\n",
    ] {
        let file = parse(text);

        for place in [None, Some("a"), Some("b")] {
            assert!(file.resolve(place, variable).is_err(), "{place:?}: {text}");
        }
    }
}

#[test]
fn what_came_out_of_a_variable_is_printed_by_its_name() {
    let text = "file = \"$A/f.toml\"\nenvironment = \"$A\"\nredis = \"$A\"\nkey = \"x$A\"\nsentinel = \"$A\"\n";
    let file = parse(text);
    let secret = |_: &str| Some(PASSWORD.to_owned());

    let place = file.resolve(None, secret).unwrap().unwrap();

    assert_eq!(place.key.as_ref().map(PlaceValue::value), Some("xhunter2"));
    for shown in [
        format!("{place:?} {file:?}"),
        place.file[0].to_string(),
        place.redis[0].to_string(),
        place.environment.unwrap().to_string(),
    ] {
        assert!(shown.contains("$A") && !shown.contains(PASSWORD), "{shown}");
    }
}

#[test]
fn what_can_be_read_of_a_place_needs_no_login_and_no_other_setting() {
    let text = "[places.a]\nfile = [\"$SET\", \"$NOT\"]\nredis = \"redis://$NOT:$NOT@h\"\nkey = \"$NOT\"\n\
                key_prefix = 3\nprotected = true\nprotect = 1\nreason = \"required\"\n";
    let file = parse(text);
    let set = |name: &str| (name == "SET").then(|| "x".to_owned());

    let place = file.readable(Some("a"), set);

    let values = |values: &[PlaceValue]| values.iter().map(|it| it.value().to_owned()).collect();
    let (files, redis): (Vec<_>, Vec<_>) = (values(&place.file), values(&place.redis));
    assert_eq!((files, redis), (vec!["x".to_owned()], vec!["redis://:@h".to_owned()]));
    assert!(place.protected && place.requires_reason);
    assert_eq!((place.key, place.key_prefix), (None, None));
    assert_eq!(file.readable(Some("b"), set), Default::default());
}

/// The problems that the schema cannot detect.
const UNSEEN: &[&str] = &["invalid-word", "password-in-file"];

#[test]
fn the_schema_accepts_what_is_read_and_sees_mistakes() {
    let validator = jsonschema::draft7::new(&json_schema()).unwrap();
    let read = |text: &str| Some(json(text.parse::<toml::Table>().ok()?.into()));

    each("places/ok", |name, text| {
        let errors: Vec<_> =
            validator.iter_errors(&read(text).unwrap()).map(|it| it.to_string()).collect();
        assert_eq!(errors, [""; 0], "{name}");
    });
    each("places/bad", |name, text| {
        if let Some(file) = read(text).filter(|_| !UNSEEN.contains(&name)) {
            assert!(!validator.is_valid(&file), "{name}");
        }
    });
}

#[test]
fn editors_take_the_schema_and_see_mistakes() {
    let schema = json_schema();
    for (program, arguments) in [("taplo", &["lint"][..]), ("tombi", &["lint", "--offline"])] {
        each("places/ok", |name, text| {
            let (accepted, said) = editor(&schema, program, arguments, text);
            assert!(accepted, "{program}, {name}: {said}");
        });
        for (mistake, word) in
            [("protect = true", "protect"), ("places.a.reason = \"always\"", "always")]
        {
            let (accepted, said) = editor(&schema, program, arguments, &format!("{mistake}\n"));
            assert!(!accepted && said.contains(word), "{program}, {mistake}: {said}");
        }
    }
}

/// With `UPDATE=1`, the copy is written again.
#[test]
fn the_copy_of_the_schema_is_up_to_date() {
    let path = root().join("src/docs/flagstaff.schema.json");
    let schema = format!("{:#}\n", json_schema());

    if env::var_os("UPDATE").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    assert!(fs::read_to_string(&path).unwrap() == schema, "run this test with UPDATE=1");
}

#[test]
fn every_key_of_the_schema_is_described() {
    let schema = json_schema();
    let keys = schema["properties"].as_object().unwrap();

    assert!(keys.len() > 8);
    let is_described =
        |key: &Value| key["description"].as_str().is_some_and(|it| it.ends_with('.'));
    assert!(keys.values().all(is_described));
}

proptest::proptest! {
    #[test]
    fn any_input_is_read_without_a_panic(text in "(\\[places\\.[ab]\\]\n|[a-z\\[\\]=\"'.$@:/#{}%\n é-]{0,20}){0,6}") {
        let file = parse(&text);
        let all = file.diagnostics();
        for place in [None].into_iter().chain(file.names().map(Some)) {
            let (own, elsewhere) = (file.diagnostics_of(place), file.diagnostics_elsewhere(place));
            assert_eq!(own.len() + elsewhere.len(), all.len());
            assert_eq!(file.resolve(place, variable).is_err(), own.has_errors());
            let _ = (all.to_string(), file.readable(place, |_| None));
        }
    }
}
