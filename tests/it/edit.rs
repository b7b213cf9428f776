//! Edits of flags.toml, on the files of `tests/data/edit`: the flag changes, and the rest of the text stays.

use std::{collections::BTreeMap, fs, path::Path};

use flagstaff::{
    Context, Definition, Flags, Memory,
    definition::{
        Definitions, Entry, FlagsFile, Rule, Setting, SharedDefinition, UnknownKeys,
        edit::{Document, EditError},
        from_json_object, to_json,
    },
};
use proptest::{
    prelude::*,
    sample::{Index, select, subsequence},
};
use serde_json::{Map, Value, json};

use crate::support::root;

/// Returns the name and the content of each file.
fn corpus() -> Vec<(String, String)> {
    let folder = root().join("tests/data/edit");
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let files: Vec<_> =
        paths.iter().map(|path| (name(path), fs::read_to_string(path).unwrap())).collect();
    assert!(files.len() >= 20);
    files
}

/// Returns every flag of every file that can be changed.
fn flags() -> Vec<(String, String, String)> {
    let flags = corpus().into_iter().flat_map(|(name, text)| {
        let file = FlagsFile::parse(&name, &text);
        let keys: Vec<_> = file.flags().keys().map(str::to_owned).collect();
        keys.into_iter().map(move |key| (name.clone(), text.clone(), key))
    });
    flags.collect()
}

/// Returns the settings of a definition as JSON, in the order of the file.
fn meaning(definition: &Definition) -> String {
    fn set(value: Value) -> Value {
        let Value::Object(table) = value else { return value };
        let members = table.into_iter().filter(|(_, value)| !value.is_null());
        members.map(|(name, value)| (name, set(value))).collect::<Map<_, _>>().into()
    }
    let json = set(to_json(definition).into());
    // Expanded segments may have a shorter form, which reading and writing once more yields.
    match from_json_object("x", json.as_object().unwrap(), UnknownKeys::Reject) {
        Ok(same) => set(to_json(&same).into()).to_string(),
        Err(_) => json.to_string(),
    }
}

/// Checks that an edit keeps the byte order mark, the kind of line breaks and the end of the text.
fn assert_is_the_same_kind_of_text(before: &str, after: &str) {
    assert_eq!(before.starts_with('\u{feff}'), after.starts_with('\u{feff}'));
    assert_eq!(after.matches('\u{feff}').count(), before.matches('\u{feff}').count());
    let lone = |text: &str| text.matches('\n').count() - text.matches("\r\n").count();
    match before.contains("\r\n") {
        true => assert_eq!(lone(after), 0, "{after:?}"),
        false => assert!(!after.contains('\r'), "{after:?}"),
    }
    if !after.is_empty() {
        assert_eq!(before.ends_with('\n'), after.ends_with('\n'), "{after:?}");
    }
}

/// Makes a change. Checks that the flag has become `expected`, that the others are unchanged, and that the
/// text keeps its form. Returns true if the change was made.
fn change(
    document: &mut Document,
    flag: &str,
    expected: Option<&Definition>,
    change: impl FnOnce(&mut Document) -> Result<(), EditError>,
) -> bool {
    let before = document.clone();
    match change(document) {
        Ok(()) => {
            let after = FlagsFile::parse("after", document.text());
            assert_eq!(after.flags().get(flag).map(|it| meaning(it)), expected.map(meaning));
            let others = |file: &FlagsFile| {
                let flags = file.flags().iter().filter(|(key, _)| *key != flag);
                let flags: Vec<_> =
                    flags.map(|(key, flag)| (key.to_owned(), flag.clone())).collect();
                (flags, file.rejected().clone())
            };
            assert_eq!(others(&after), others(before.file()));
            assert_is_the_same_kind_of_text(before.text(), document.text());
            true
        }
        Err(EditError::Invalid { flag: invalid, diagnostics }) => {
            assert_eq!(document.text(), before.text());
            // The definition is invalid in a fresh file, too.
            if let (true, Some(expected)) = (invalid == flag, expected) {
                let mut fresh = Document::parse("fresh", "[flags]\n").unwrap();
                let added = fresh.add(flag, expected);
                assert!(added.is_err(), "{diagnostics}\n{}", fresh.text());
            }
            false
        }
        Err(error) => panic!("{flag}: {error:?}\n{}", before.text()),
    }
}

fn name() -> impl Strategy<Value = &'static str> {
    select(vec!["ana", "bob", "cleo", "dora", "a \"b\" # c", "it's", "ä😀", "x\ny", "# no"])
}

fn names() -> impl Strategy<Value = Value> {
    subsequence(vec!["ana", "bob", "cleo", "dora", "mallory", "employees", "a\"b", "ä😀"], 0..6)
        .prop_shuffle()
        .prop_map(Value::from)
}

fn percentage() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..=100u32).prop_map(Value::from),
        (1..=999_999u32).prop_map(|p| json!(f64::from(p) / 10_000.0))
    ]
}

fn instant() -> impl Strategy<Value = &'static str> {
    select(vec![
        "2026-11-20",
        "2026-12-24T18:00:00Z",
        "2027-01-01T00:00:00+02:00",
        "2026-11-20T00:00:00.5Z",
    ])
}

fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Value> {
    prop_oneof![4 => value, 1 => Just(Value::Null)].boxed()
}

fn object(members: Vec<(&'static str, BoxedStrategy<Value>)>) -> impl Strategy<Value = Value> {
    let len = members.len();
    subsequence(members, 0..=len).prop_flat_map(|members| {
        let (names, values): (Vec<_>, Vec<_>) = members.into_iter().unzip();
        values.prop_map(move |values| {
            let named = names.iter().map(|&name| name.to_owned()).zip(values);
            named.collect::<Map<_, _>>().into()
        })
    })
}

fn stages() -> impl Strategy<Value = Value> {
    let stage = (percentage(), any::<bool>());
    proptest::collection::vec(stage, 1..4).prop_map(|stages| {
        let stage = |(percentage, auto): (Value, bool)| match auto {
            true => json!({ "percentage": percentage, "for": "2h" }),
            false => json!({ "percentage": percentage, "auto": false }),
        };
        stages.into_iter().map(stage).collect()
    })
}

fn rule() -> impl Strategy<Value = Value> {
    let serve = prop_oneof![Just(json!(true)), Just(json!(false)), Just(json!("25%"))];
    let when = select(vec![
        json!({}),
        json!({"country": ["DE", "AT"]}),
        json!({"app.version": {"semver": ">=2"}, "since": {"before": "2026-11-01"}}),
        json!({"any": [{"plan": "pro"}, {"not": {"email": {"ends_with": "@x", "ignore_case": true}}}]}),
        json!({"flag": "payments_v3", "attributes": {"segment": "gold"}}),
        json!({"unless": {"flag": {"flag": "maintenance", "on": false}}}),
        json!({"total": {"ge": 12.5, "as": "number"}}),
    ]);
    let unless = maybe(select(vec![
        json!({"country": "US"}),
        json!({"flag": {"flag": "price", "variant": ["high", "low"]}}),
    ]));
    (any::<u32>(), when, unless, serve).prop_map(|(name, when, unless, serve)| {
        let mut rule = json!({"name": format!("rule {name}"), "when": when, "serve": serve});
        if !unless.is_null() {
            rule["unless"] = unless;
        }
        rule
    })
}

fn variants() -> impl Strategy<Value = Value> {
    let weight = || prop_oneof![Just(json!(0)), Just(json!(7)), Just(json!(12.5))];
    let variant =
        maybe(prop_oneof![weight(), weight().prop_map(|weight| json!({"weight": weight}))]);
    let known = ["control", "higher_price", "slow", "plain", "dark", "old", "x", "y"];
    let new = ["new", "with space"];
    object(known.into_iter().chain(new).map(|name| (name, variant.clone())).collect())
}

/// Returns the settings that are one value each, with strategies for new values.
fn scalars() -> Vec<(&'static str, BoxedStrategy<Value>)> {
    let text = || name().prop_map(Value::from).boxed();
    vec![
        ("description", text()),
        ("owner", text()),
        ("created", instant().prop_map(Value::from).boxed()),
        ("expires", instant().prop_map(Value::from).boxed()),
        ("enabled", any::<bool>().prop_map(Value::from).boxed()),
        ("percentage", percentage().boxed()),
        ("traffic", percentage().boxed()),
        ("salt", text()),
        ("stale_after", Just(json!("1h 30m")).boxed()),
        ("on_stale", Just(json!("off")).boxed()),
    ]
}

/// Returns a patch of a flag, without its rules.
fn patch() -> impl Strategy<Value = Definition> {
    let rollout = object(vec![
        ("start", maybe(instant().prop_map(Value::from))),
        ("stages", maybe(stages())),
        ("stage", maybe((1..3u32).prop_map(Value::from))),
        ("paused_at", maybe(instant().prop_map(Value::from))),
    ]);
    let active = object(vec![
        ("from", maybe(instant().prop_map(Value::from))),
        ("until", maybe(Just(json!("2028-01-01")))),
    ]);
    let mut settings: Vec<_> =
        scalars().into_iter().map(|(name, value)| (name, maybe(value))).collect();
    settings.extend([
        ("tags", maybe(names())),
        ("denied_users", maybe(names())),
        ("denied_groups", maybe(names())),
        ("allowed_users", maybe(names())),
        ("allowed_groups", maybe(names())),
        (
            "requires",
            maybe(prop::sample::select(vec![
                json!(["payments_v3"]),
                json!([{ "flag": "maintenance", "on": false }, "payments_v3"]),
                json!([{ "flag": "price", "variant": ["high", "low"] }]),
            ])),
        ),
        ("rollout", maybe(rollout)),
        ("active", maybe(active)),
        ("variants", maybe(variants())),
        ("off", maybe(Just(json!("control")))),
        ("bucket_by", maybe(Just(json!("company.id")))),
    ]);
    object(settings).prop_map(|patch| definition(&patch))
}

fn definition(json: &Value) -> Definition {
    from_json_object("x", json.as_object().unwrap(), UnknownKeys::Reject).unwrap_or_default()
}

/// Returns an edited list of rules: fewer, in another order, with new and renamed ones.
fn edit_rules(rules: &[Rule], choices: &[(Index, u8)], new: &[Value]) -> Vec<Rule> {
    let mut rules = rules.to_vec();
    let mut new = new.iter();
    for (index, choice) in choices {
        match (choice % 5, rules.len()) {
            (0, 1..) => drop(rules.remove(index.index(rules.len()))),
            (1, 2..) => {
                let len = rules.len();
                rules.swap(index.index(len), 0);
            }
            (2, 1..) => {
                let len = rules.len();
                rules[index.index(len)].name = Some(format!("renamed {choice}"));
            }
            (_, len) => {
                let Some(rule) = new.next() else { continue };
                let new = definition(&json!({ "rules": [rule] }));
                rules.insert(index.index(len + 1), new.rare().rules.value().unwrap()[0].clone());
            }
        }
    }
    rules
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn an_edited_flag_has_the_new_definition(
        which in any::<Index>(),
        patches in proptest::collection::vec(patch(), 1..4),
    ) {
        let flags = flags();
        let (name, text, flag) = which.get(&flags);
        let mut document = Document::parse(&**name, &**text).unwrap();

        for patch in patches {
            let mut expected = Definition::clone(&document.file().flags()[&**flag]);
            expected.merge(&patch);
            change(&mut document, flag, Some(&expected), |document| document.set(flag, &patch));
        }
    }

    #[test]
    fn rules_come_and_go_one_by_one(
        which in any::<Index>(),
        choices in proptest::collection::vec(any::<(Index, u8)>(), 1..5),
        new in proptest::collection::vec(rule(), 5),
    ) {
        let flags = flags();
        let (name, text, flag) = which.get(&flags);
        let mut document = Document::parse(&**name, &**text).unwrap();
        let before = Definition::clone(&document.file().flags()[&**flag]);
        let rules = before.rare().rules.value().map_or(&[][..], |rules| rules);
        let mut expected = before.clone();
        expected.rare_mut().rules = Setting::Set(edit_rules(rules, &choices, &new).into());

        let patch = Definition::new().rules(expected.rare().rules.value().unwrap().clone());
        change(&mut document, flag, Some(&expected), |document| document.set(flag, &patch));
    }

    #[test]
    fn the_diff_has_the_changed_values_and_no_more(
        which in any::<Index>(),
        patch in object(scalars()),
    ) {
        let mut flags = flags();
        // A string of several lines is one value, and would be several lines in the diff.
        flags.retain(|(name, ..)| name != "strings.toml");
        let (name, text, flag) = which.get(&flags);
        // The byte order mark is on the first line, and so would be in the diff.
        let mut document = Document::parse(&**name, text.trim_start_matches('\u{feff}')).unwrap();
        let before = Definition::clone(&document.file().flags()[&**flag]);
        let mut patch = definition(&patch);
        if before.rare().rollout.value().is_some() {
            // A percentage would remove the rollout.
            patch.percentage = Setting::Inherit;
        }
        let mut expected = before.clone();
        expected.merge(&patch);
        let differences = expected.differences(&before).len();

        if change(&mut document, flag, Some(&expected), |document| document.set(flag, &patch)) {
            let diff = document.diff().to_string();
            let lines = |sign: char| -> Vec<&str> {
                let lines = diff.lines().skip(2).filter_map(|line| line.strip_prefix(sign));
                lines.collect()
            };
            let (removed, added) = (lines('-'), lines('+'));
            prop_assert!(removed.len() <= differences + 1, "{diff}");
            // One more line if a comma or a header is needed.
            prop_assert!(added.len() <= differences + 2, "{diff}");
            for (_, comment) in removed.iter().filter_map(|line| line.rsplit_once("# ")) {
                prop_assert!(added.iter().any(|line| line.ends_with(comment)), "{diff}");
            }
        }
    }

    #[test]
    fn a_flag_is_added_with_all_its_settings(
        which in any::<Index>(),
        settings in patch(),
        key in select(vec!["brand_new", "new.dot", "a space", "ä"]),
    ) {
        let corpus = corpus();
        let (name, text) = which.get(&corpus);
        let text = text.trim_start_matches('\u{feff}');
        let mut document = Document::parse(&**name, text).unwrap();

        change(&mut document, key, Some(&settings), |document| document.add(key, &settings));

        let kept = text.lines().all(|line| document.text().contains(line));
        prop_assert!(kept || name == "inline-flags.toml", "{}", document.diff());
    }

    #[test]
    fn flags_are_removed_in_any_order(
        which in any::<Index>(),
        order in proptest::collection::vec(any::<Index>(), 12),
    ) {
        let corpus = corpus();
        let (name, text) = which.get(&corpus);
        let mut document = Document::parse(&**name, &**text).unwrap();

        for index in order {
            let keys: Vec<_> = document.file().flags().keys().map(str::to_owned).collect();
            let Some(flag) = (!keys.is_empty()).then(|| index.get(&keys)) else { break };
            change(&mut document, flag, None, |document| document.remove(flag));
        }
    }
}

#[test]
fn settings_that_do_not_change_keep_their_notation() {
    for (name, text, flag) in flags() {
        let mut document = Document::parse(&*name, &*text).unwrap();
        let definition = Definition::clone(&document.file().flags()[&*flag]);

        document.set(&flag, &definition).unwrap();

        assert!(!document.is_changed(), "{}", document.diff());
        assert_eq!(document.text(), text);
    }
}

#[tokio::test]
async fn a_promoted_override_answers_as_it_did_over_the_file() {
    let partial = definition(&json!({"percentage": 50, "denied_users": ["u1"], "owner": null}));
    let entries = [
        Entry::Forced(true),
        Entry::Forced(false),
        Entry::from_text("higher_price"),
        Entry::from_text("no such variant"),
        Entry::from(partial),
    ];
    for (name, text) in corpus() {
        for entry in &entries {
            let mut document = Document::parse(&*name, &*text).unwrap();
            let declared = document.file().flags().clone();
            let (mut file, mut store) = (Memory::new(), Memory::new());
            for (key, definition) in &declared {
                file = file.with(key, Definition::clone(definition));
                store = store.with(key, entry.clone());
                document.promote(key, entry).unwrap();
            }
            let promoted = document.file().flags().iter();
            let promoted = promoted.fold(Memory::new(), |memory, (key, definition)| {
                memory.with(key, Definition::clone(definition))
            });

            let over = Flags::builder().source(store).source(file).start().await.unwrap();
            let alone = Flags::builder().source(promoted).start().await.unwrap();

            // The files deny `mallory`.
            let users: Vec<_> =
                (0..40).map(|n| format!("u{n}")).chain(["mallory".to_owned()]).collect();
            for (key, user) in declared.keys().flat_map(|key| users.iter().map(move |it| (key, it)))
            {
                let context = Context::user(user).group("employees");
                let answers = |flags: &Flags| {
                    let on = flags.boolean(key, &context, false).value;
                    (on, flags.variant(key, &context, "none").value.to_owned())
                };
                assert_eq!(answers(&alone), answers(&over), "{name}: {key} {entry} {user}");
            }
        }
    }
}

#[test]
fn an_edit_may_fix_another_flag() {
    let text = "[flags]\nprice.variants = { low = 1 }\n\n[flags.cart]\n\
                requires = [{ flag = \"price\", variant = \"high\" }]\n";
    let mut document = Document::parse("flags.toml", text).unwrap();
    assert!(document.file().rejected().contains("cart"));

    document.set("price", &Definition::new().variants([("high", 1)])).unwrap();

    assert!(document.file().flags().contains_key("cart"), "{}", document.text());
}

#[test]
fn a_change_is_refused_with_its_reason() {
    let text = "[flags]\nsearch = true\nwrong = 25\n[flags.cart]\nrequires = [\"search\"]\n";
    let mut document = Document::parse("flags.toml", text).unwrap();
    let owner = Definition::new().owner("web");

    let said = |result: Result<(), EditError>| result.unwrap_err().to_string();
    assert_eq!(
        said(document.set("serach", &owner)),
        "the file has no flag `serach`; it has `search`"
    );
    assert_eq!(said(document.add("search", &owner)), "the file already has a flag `search`");
    assert_eq!(said(document.add("wrong", &owner)), "the file already has a flag `wrong`");
    assert_eq!(
        said(document.set("wrong", &owner)),
        "flag `wrong` has to be corrected before it can be changed"
    );
    assert_eq!(
        said(document.set("search", &Definition::new().requires(["cart"]))),
        "flag `cart` would be invalid"
    );
    assert_eq!(
        said(document.set("cart", &Definition::new().off("x").variants([("y", 1)]))),
        "flag `cart` would be invalid"
    );
    assert_eq!(document.text(), text);

    let error = Document::parse("flags.toml", "[flag]\n").unwrap_err();
    assert!(matches!(&error, EditError::Unusable(_)), "{error:?}");
}

#[test]
fn a_rename_reaches_whatever_names_the_flag_and_nothing_else() {
    let text = "\
# checkout is named in this comment
[flags]
gifts = { requires = ['checkout', { flag = \"checkout\" }] } # checkout
\"checkout\" = \"25%\" # one page

[flags.cart]
owner = \"checkout\"
requires = [
  \"checkout\", # first
]

[[flags.cart.rules]]
when = { team = \"checkout\" }
serve = true
";
    let mut document = Document::parse("flags.toml", text).unwrap();

    document.rename("checkout", "fast checkout").unwrap();

    assert_eq!(
        document.text(),
        "\
# checkout is named in this comment
[flags]
gifts = { requires = ['fast checkout', { flag = \"fast checkout\" }] } # checkout
\"fast checkout\" = { percentage = \"25%\", salt = \"checkout\" } # one page

[flags.cart]
owner = \"checkout\"
requires = [
  \"fast checkout\", # first
]

[[flags.cart.rules]]
when = { team = \"checkout\" }
serve = true
"
    );
}

#[test]
fn a_rename_follows_headers_dotted_keys_and_tests() {
    let text = "\
flags.search.percentage = 10
flags.beta = true

[flags.old]
salt = \"kept\"
rollout.stages = [{ percentage = 100, at = 2026-12-01 }]

[[flags.old.rules]]
name = \"old\"
when = { plan = \"old\" }
serve = \"50%\"

[[flags.old.tests]]
user = \"ana\"
expect = false
";
    let mut document = Document::parse("flags.toml", text).unwrap();

    document.rename("old", "new").unwrap();
    document.rename("search", "find").unwrap();
    document.rename("beta", "gamma").unwrap();

    let expected =
        text.replace("flags.old", "flags.new").replace("flags.beta", "flags.gamma").replace(
            "flags.search.percentage = 10\n",
            "flags.find.percentage = 10\nflags.find.salt = \"search\"\n",
        );
    assert_eq!(document.text(), expected);
}

#[test]
fn a_rename_to_a_name_that_is_taken_changes_nothing() {
    let text = "[flags]\na = true\nb = true\nwrong = { colour = 1 }\n";
    let mut document = Document::parse("flags.toml", text).unwrap();

    for taken in ["b", "wrong"] {
        let error = document.rename("a", taken).unwrap_err();
        assert!(matches!(error, EditError::Exists { .. }), "{error}");
    }
    assert!(matches!(document.rename("c", "d").unwrap_err(), EditError::UnknownFlag { .. }));
    assert!(matches!(document.rename("wrong", "d").unwrap_err(), EditError::Rejected { .. }));
    assert_eq!(document.text(), text);
}

#[test]
fn the_flags_that_need_a_flag_are_those_that_name_it() {
    let text = "[flags]\na = true\nb = { requires = [\"a\"] }\nc = { owner = \"a\", requires = [\"b\"] }\n";
    let mut document = Document::parse("flags.toml", text).unwrap();

    assert_eq!(document.needing("a"), ["b"]);
    assert_eq!(document.needing("c"), [""; 0]);
    document.remove("a").unwrap();
    assert_eq!(document.needing("a"), ["b"]);
}

#[test]
fn renaming_every_flag_of_the_corpus_and_back_restores_the_files() {
    const NEW: &str = "a new name";

    for (name, text, flag) in flags() {
        let mut document = Document::parse(&name, &text).unwrap();
        let before = document.file().flags().clone();

        document.rename(&flag, NEW).unwrap_or_else(|error| panic!("{name}, {flag}: {error}"));

        let there = document.file().flags();
        assert!(there.get(&flag).is_none() && there.get(NEW).is_some(), "{name}, {flag}");
        assert_is_the_same_kind_of_text(&text, document.text());
        let comments = |text: &str| text.matches('#').count();
        assert_eq!(comments(document.text()), comments(&text), "{name}, {flag}");

        document.rename(NEW, &flag).unwrap_or_else(|error| panic!("{name}, {flag}: {error}"));

        let said = |flags: &Definitions| -> BTreeMap<String, String> {
            let unsalted = |(key, it): (&str, &SharedDefinition)| {
                let mut it = Definition::clone(it);
                if key == flag && it.rare().salt.value().is_some_and(|salt| *salt == flag) {
                    it.rare_mut().salt = Setting::Inherit;
                }
                (key.to_owned(), meaning(&it))
            };
            flags.iter().map(unsalted).collect()
        };
        let (is, meant) = (said(document.file().flags()), said(&before));
        assert_eq!(is, meant, "{name}, {flag}");
    }
}

#[test]
fn a_rename_reaches_every_environment_and_salts_whatever_draws_in_one() {
    let text = "\
[flags]
checkout = true # all
banner = false

[environments.staging]
checkout = \"25%\" # try
only_here = \"50%\"

[environments.production.checkout]
denied_users = [\"mallory\"]

[environments.production.gifts]
requires = [\"checkout\", 'only_here']
";
    let mut document = Document::parse("flags.toml", text).unwrap();

    document.rename("checkout", "cart").unwrap();
    document.rename("only_here", "there").unwrap();
    document.rename("banner", "hero").unwrap();

    assert_eq!(
        document.text(),
        "\
[flags]
cart = { enabled = true, salt = \"checkout\" } # all
hero = false

[environments.staging]
cart = \"25%\" # try
there = { percentage = \"50%\", salt = \"only_here\" }

[environments.production.cart]
denied_users = [\"mallory\"]

[environments.production.gifts]
requires = [\"cart\", 'there']
"
    );
    assert_eq!(document.needing("cart"), ["gifts"]);
    for taken in ["there", "gifts", "hero"] {
        let error = document.rename("cart", taken).unwrap_err();
        assert!(matches!(error, EditError::Exists { .. }), "{taken}: {error}");
    }
}

#[test]
fn a_rename_reaches_conditions_on_flags_and_no_attribute_of_that_name() {
    let text = "\
[flags]
old = true

[[flags.gate.rules]]
when = { all = [{ flag = \"old\" }, { flag = [{ flag = \"old\", on = false }, \"gate_2\"] }], attributes = { flag = \"old\" } }
unless = { not = { flag = { flag = \"old\" } } }
serve = true

[flags.gate_2]
requires = [{ flag = \"old\", on = false }]

[segments.some]
when = { flag = \"old\", plan = \"old\" }
";
    let mut document = Document::parse("flags.toml", text).unwrap();
    assert!(document.file().diagnostics().is_empty(), "{}", document.file().diagnostics());
    assert_eq!(document.needing("old"), ["gate", "gate_2"]);

    document.rename("old", "new").unwrap();

    let kept = text
        .replace("\"old\"", "\"new\"")
        .replace("old = true", "new = true")
        .replace("attributes = { flag = \"new\" }", "attributes = { flag = \"old\" }")
        .replace("plan = \"new\"", "plan = \"old\"");
    assert_eq!(document.text(), kept);
}
