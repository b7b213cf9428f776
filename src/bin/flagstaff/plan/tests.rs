use std::{io::Cursor, time::SystemTime};

use flagstaff::{
    Context, Snapshot,
    definition::{Definitions, FlagsFile},
    source::{Offer, SourceKind},
};
use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{
    change::{Change, Tally},
    count::{Counts, count},
    users::Source,
};
use crate::context;

fn flags(text: &str) -> Definitions {
    let file = FlagsFile::parse("flags.toml", text);
    assert!(!file.diagnostics().has_errors(), "{}", file.diagnostics());
    file.flags().clone()
}

fn counted(before: &str, after: &str, users: Source) -> (Vec<String>, Counts) {
    let change = Change::new(&flags(before), &flags(after), SystemTime::now());
    let counts = count(&change, users).unwrap();
    (change.flags.iter().map(|flag| flag.key.to_string()).collect(), counts)
}

/// Returns the tally of the only flag that can be different, for 1,000 users.
fn tally(before: &str, after: &str) -> Tally {
    let users = Source::MadeUp { next: 1, last: 1_000 };
    let (keys, counts) = counted(before, after, users);
    assert_eq!((keys.len(), counts.users), (1, 1_000));
    counts.tallies[0]
}

#[test]
fn raising_a_percentage_redraws_no_user() {
    let grown = tally("[flags]\na = \"10%\"", "[flags]\na = \"30%\"");
    assert!((150..250).contains(&grown.newly_on), "{grown:?}");
    assert_eq!((grown.newly_off, grown.redrawn), (0, 0));
    assert_eq!(grown.on_after - grown.on_before, grown.newly_on);

    let shrunk = tally("[flags]\na = \"30%\"", "[flags]\na = \"10%\"");
    assert_eq!((shrunk.newly_on, shrunk.newly_off), (0, grown.newly_on));
    assert_eq!(shrunk.redrawn, 0);
}

#[test]
fn a_new_salt_redraws_the_users_whose_answer_changes() {
    let salted = tally("[flags]\na = \"50%\"", "[flags.a]\npercentage = 50\nsalt = \"b\"");

    assert!((400..600).contains(&salted.changed()), "{salted:?}");
    assert_eq!(salted.redrawn, salted.changed());
}

#[test]
fn a_user_who_leaves_a_growing_share_is_redrawn() {
    let tally = tally("[flags]\na = \"10%\"", "[flags.a]\npercentage = 20\nsalt = \"b\"");

    assert!(tally.newly_off > 0);
    assert_eq!(tally.redrawn, tally.newly_off);
}

#[test]
fn moving_weight_between_variants_redraws_no_user() {
    let variants = |weights: &str| format!("[flags.a]\nvariants = {{ {weights} }}");
    let before = variants("control = 40, new = 40, other = 20");

    let given = tally(&before, &variants("control = 20, new = 60, other = 20"));
    assert!((150..250).contains(&given.other_value), "{given:?}");
    assert_eq!((given.newly_on, given.redrawn), (0, 0));

    let turned = tally(&before, &variants("other = 20, control = 40, new = 40"));
    assert!(turned.redrawn > 300, "{turned:?}");
    assert_eq!(turned.redrawn, turned.other_value);

    // `new` gives, and `control` takes; but `other`, which gives too, moves over to `new`.
    let pushed = tally(&before, &variants("control = 70, new = 20, other = 10"));
    assert!((50..150).contains(&pushed.redrawn), "{pushed:?}");
    assert!(pushed.redrawn < pushed.other_value);
}

#[test]
fn an_edit_of_other_rules_does_not_change_the_draw_of_a_rule() {
    let rule = |name: &str, rest: &str| {
        format!(
            "[[flags.a.rules]]\nname = \"{name}\"\nwhen = {{ targeting_key = {{ exists = true }} }}\n{rest}\n"
        )
    };
    let half = rule("half", "serve = \"50%\"");
    let first = "[[flags.a.rules]]\nwhen = { plan = \"pro\" }\nserve = true\n";

    let added = tally(&half, &format!("{first}{half}"));
    assert!(added.newly_on > 100 && added.redrawn == 0, "{added:?}");
    let renamed = tally(&half, &rule("other name", "serve = \"50%\""));
    assert!(renamed.redrawn > 400 && renamed.redrawn == renamed.changed(), "{renamed:?}");
    let off = tally(&half, &rule("half", "serve = false"));
    assert!(off.newly_off > 400 && off.redrawn == 0, "{off:?}");
}

/// Made-up users have what rules ask for, and what no user had is named.
#[test]
fn rules_on_attributes_are_tried_and_those_that_are_not_are_named() {
    let text = |serve: bool| {
        format!(
            "[segments.dach]\nwhen = {{ country = [\"DE\", \"AT\"] }}\n\
             [[flags.a.rules]]\nname = \"old\"\nserve = {serve}\n\
             when = {{ os = \"ios\", app_version = {{ semver = \"<5.2.0\" }}, segment = \"dach\" }}\n\
             [[flags.a.rules]]\nname = \"big\"\nserve = {serve}\n\
             when = {{ seats = {{ gt = 10 }}, not = {{ plan = \"free\" }}, groups = \"staff\" }}\n\
             [[flags.a.rules]]\nname = \"strange\"\nserve = {serve}\n\
             when = {{ id = {{ matches = '^[a-f]{{8}}-[0-9]{{4}}$' }} }}\n\
             [flags.a]\npercentage = 50\n"
        )
    };
    let made_up = |last| Source::MadeUp { next: 1, last };
    let (before, after) = (flags(&text(true)), flags(&text(false)));
    let change = Change::new(&before, &after, SystemTime::now());

    let counts = count(&change, made_up(1_000)).unwrap();
    assert!(counts.tallies[0].newly_off > 100, "{counts:?}");
    assert_eq!(counts.tried[0].untried(&change.flags[0]), ["strange"]);

    let counts = count(&change, made_up(1)).unwrap();
    assert!(counts.tried[0].untried(&change.flags[0]).contains(&"strange"));
    let asked = ["app_version", "country", "groups", "id", "os", "plan", "seats"];
    assert_eq!(change.made_up().asked_for().iter().filter(|it| asked.contains(it)).count(), 7);
}

#[test]
fn a_new_constant_is_another_value_for_every_user_with_the_flag_on() {
    let other = tally("[flags.a]\nvalue = 50", "[flags.a]\nvalue = 60");
    assert_eq!((other.other_value, other.changed(), other.redrawn), (1_000, 1_000, 0));
    let half =
        tally("[flags.a]\nvalue = 50\npercentage = 50", "[flags.a]\nvalue = 60\npercentage = 50");
    assert_eq!(half.other_value, half.on_before);
    assert_eq!(tally("[flags.a]\nowner = \"x\"\n", "[flags.a]\nvalue = 5").other_value, 1_000);
    assert_eq!(tally("[flags.a]\nvalue = 5", "[flags.a]\nvalue = 5\nowner = \"x\"").changed(), 0);
}

/// The edit of a condition lets it match on one side alone.
#[test]
fn a_rule_that_decided_on_one_side_was_tried() {
    let text = |country: &str| {
        format!(
            "[[flags.a.rules]]\nname = \"there\"\nserve = true\nwhen = {{ country = \"{country}\" }}\n\
             [[flags.a.rules]]\nname = \"nowhere\"\nserve = true\nwhen = {{ country = \"XX\" }}\n\
             [flags.a]\npercentage = 0\n"
        )
    };
    let (before, after) = (flags(&text("DE")), flags(&text("AT")));
    for (before, after) in [(&before, &after), (&after, &before)] {
        let change = Change::new(before, after, SystemTime::now());
        let line = json!({ "targetingKey": "ana", "country": "DE" }).to_string();
        let reader = Box::new(Cursor::new(line));
        let users = Source::Lines { reader, name: String::new(), next: 1 };

        let counts = count(&change, users).unwrap();

        assert_eq!(counts.tried[0].untried(&change.flags[0]), ["nowhere"]);
    }
}

#[test]
fn users_and_groups_of_lists_are_among_the_made_up_ones() {
    let text = |lists: &str| format!("[flags.a]\npercentage = 0\n{lists}");
    let lists = "allowed_users = [\"ana\", \"bob\"]\nallowed_groups = [\"beta\"]\n";

    assert_eq!(tally(&text(""), &text("allowed_users = [\"ana\", \"bob\"]")).newly_on, 2);
    assert!(tally(&text(""), &text(lists)).newly_on > 100);
}

#[test]
fn a_new_salt_redraws_users_whom_a_variant_turns_on_or_off() {
    let text =
        |salt: &str| format!("[flags.a]\nsalt = \"{salt}\"\nvariants = {{ on = 1, off = 1 }}");

    let tally = tally(&text("x"), &text("y"));

    assert!(tally.newly_on > 100 && tally.newly_off > 100, "{tally:?}");
    assert_eq!(tally.redrawn, tally.changed());
}

#[test]
fn new_weights_of_on_and_off_redraw_no_user() {
    let text = |on: u32| format!("[flags.a]\nvariants = {{ on = {on}, off = {} }}", 100 - on);

    let tally = tally(&text(10), &text(40));

    assert!(tally.newly_on > 100 && tally.newly_off == 0, "{tally:?}");
    assert_eq!(tally.redrawn, 0);
}

#[test]
fn another_variant_for_the_users_of_a_rule_redraws_no_user() {
    let text = |a: u8, b: u8| {
        format!(
            "[flags.a]\nvariants = {{ a = {a}, b = {b} }}\n[[flags.a.rules]]\nname = \"r\"\nwhen = {{ country = {{ exists = false }} }}\nserve = \"50%\""
        )
    };

    let tally = tally(&text(1, 0), &text(0, 1));

    assert!(tally.other_value > 100, "{tally:?}");
    assert_eq!(tally.redrawn, 0);
}

#[test]
fn a_value_can_change_without_its_variant() {
    let text = |value: u32| format!("[flags.a.variants]\nfast = {{ weight = 1, value = {value} }}");

    assert_eq!(tally(&text(1), &text(2)).other_value, 1_000);
}

#[test]
fn a_flag_that_requires_a_changed_flag_changes_too() {
    let rest = "b = true\n[flags.c]\nrequires = [\"a\", \"b\"]\n[flags.d]\nrequires = [\"c\"]\n";
    let users = Source::MadeUp { next: 1, last: 10 };

    let (keys, counts) = counted(
        &format!("[flags]\na = true\n{rest}"),
        &format!("[flags]\na = false\n{rest}"),
        users,
    );

    assert_eq!(keys, ["a", "b", "c", "d"]);
    let off: Vec<_> = counts.tallies.iter().map(|tally| tally.newly_off).collect();
    assert_eq!(off, [10, 0, 10, 10]);
}

#[test]
fn a_flag_with_a_condition_on_a_changed_flag_changes_too() {
    let rest = "[flags.b]\nrequires = [{ flag = \"a\", on = false }]\n[flags.c]\npercentage = 0\n\
                rules = [{ unless = { segment = \"s\" }, serve = true }]\n[flags.d]\n\
                [segments.s]\nwhen = { flag = \"a\" }\n";
    let users = Source::MadeUp { next: 1, last: 10 };

    let (keys, counts) = counted(
        &format!("[flags]\na = true\n{rest}"),
        &format!("[flags]\na = false\n{rest}"),
        users,
    );

    assert_eq!(keys, ["a", "b", "c"]);
    let newly = |of: fn(&Tally) -> u64| counts.tallies.iter().map(of).collect::<Vec<_>>();
    assert_eq!(newly(|tally| tally.newly_on), [0, 10, 10]);
    assert_eq!(newly(|tally| tally.newly_off), [10, 0, 0]);
}

#[test]
fn made_up_users_can_meet_conditions_on_other_flags() {
    let text = |plan: &str| {
        format!(
            "[flags.a]\npercentage = 0\nrules = [{{ when = {{ plan = \"{plan}\", seats = {{ ge = 90, as = \
             \"number\" }} }}, serve = true }}]\n[flags.b]\npercentage = 0\nrules = [{{ when = {{ flag = \
             \"a\", country = \"DE\" }}, unless = {{ beta = true }}, serve = true }}]\n"
        )
    };
    let users = Source::MadeUp { next: 1, last: 1_000 };

    let (keys, counts) = counted(&text("pro"), &text("team"), users);

    assert_eq!(keys, ["a", "b"]);
    let tally = &counts.tallies[1];
    assert!(tally.newly_on > 20 && tally.newly_off > 20, "{tally:?}");
}

#[test]
fn the_first_line_that_is_not_a_context_is_named() {
    let mut text = "{\"targetingKey\":\"ana\"}\n\n{}\n".repeat(1_000);
    let read = |text: &str| Source::Lines {
        reader: Box::new(Cursor::new(text.to_owned())),
        name: "users.jsonl".to_owned(),
        next: 1,
    };
    let (before, after) = ("[flags]\na = true", "[flags]\na = false");

    let (_, counts) = counted(before, after, read(&text));
    assert_eq!((counts.users, counts.anonymous), (2_000, 1_000));

    text += "[]\n{\n";
    let change = Change::new(&flags(before), &flags(after), SystemTime::now());
    let failure = count(&change, read(&text)).unwrap_err();
    assert!(format!("{failure:?}").contains("line 3001 of `users.jsonl`"), "{failure:?}");
}

/// Returns settings of a flag, one kind for each number.
fn settings(kind: u8, n: u8) -> String {
    let n = n % 101;
    match kind {
        0 => "enabled = true".to_owned(),
        1 => "enabled = false".to_owned(),
        2 => format!("percentage = {n}"),
        3 => format!("percentage = {n}\nsalt = \"s{}\"", n % 3),
        4 => {
            format!("percentage = {n}\nallowed_users = [\"u1\", \"u2\"]\ndenied_groups = [\"g1\"]")
        }
        5 => format!("percentage = {n}\nbucket_by = \"company\""),
        6 => format!("variants = {{ control = {n}, b = 30, c = 70 }}"),
        7 => format!("traffic = {n}\nvariants = {{ b = 30, control = 70 }}"),
        8 => format!(
            "percentage = {n}\nvariants = {{ a = {{ weight = 1, value = {n} }}, b = {{ weight = 2, value = 7 }} }}"
        ),
        9 => "requires = [\"f0\"]".to_owned(),
        10 => "requires = [{ flag = \"f1\", variant = \"b\" }]\nvariants = { a = 1, b = 1 }"
            .to_owned(),
        11 => {
            format!("rules = [{{ name = \"r\", when = {{ plan = \"pro\" }}, serve = \"{n}%\" }}]")
        }
        12 => format!("percentage = {n}\nvalue = {}", n % 3),
        _ => format!(
            "variants = {{ a = 1, b = 1 }}\n\
             rules = [{{ name = \"r\", when = {{ seats = {{ gt = {n} }} }}, serve = {{ a = 1, b = {n} }} }}]"
        ),
    }
}

fn file(flags: &[Option<(u8, u8)>]) -> String {
    let flags = flags.iter().enumerate().filter_map(|(index, flag)| {
        let (kind, n) = (*flag)?;
        Some(format!("[flags.f{index}]\n{}\n", settings(kind, n)))
    });
    "[flags]\n".to_owned() + &flags.collect::<String>()
}

/// Returns all flags of a file, asked for one by one.
fn snapshot(text: &str) -> Snapshot {
    let flags = flags(text);
    let source = (SourceKind::File, Offer::from(&flags));
    Snapshot::merge([source], SystemTime::now())
}

fn brute_force(before: &str, after: &str, users: &[Json]) -> Vec<[u64; 5]> {
    let (before, after) = (snapshot(before), snapshot(after));
    let mut all = vec![[0; 5]; 8];
    for user in users {
        let context = context::from_json(user.as_object().unwrap().clone()).unwrap();
        for (index, counts) in all.iter_mut().enumerate() {
            let key = format!("f{index}");
            let ask = |flags: &Snapshot, context: &Context<'_>| {
                let answer = flags.value(&*key, context, Json::Null);
                (flags.is_enabled(&*key, context), answer.variant, answer.value)
            };
            let (was, is) = (ask(&before, &context), ask(&after, &context));
            let value = |(on, variant, value): &(bool, Option<&'static str>, Json)| {
                // A constant has no variant, and is served while the flag is on.
                let is_served = variant.is_some() || (*on && !value.is_boolean());
                is_served.then(|| (*variant, value.clone()))
            };
            counts[0] += u64::from(was.0);
            counts[1] += u64::from(is.0);
            counts[2] += u64::from(!was.0 && is.0);
            counts[3] += u64::from(was.0 && !is.0);
            counts[4] += u64::from(was.0 == is.0 && value(&was) != value(&is));
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn counts_equal_those_of_evaluating_both_files_one_by_one(
        before in prop::collection::vec(prop::option::weighted(0.9, (0_u8..14, any::<u8>())), 8),
        edits in prop::collection::vec(prop::option::weighted(0.5, (0_u8..14, any::<u8>())), 8),
        users in prop::collection::vec((any::<u8>(), 0_u8..4, any::<bool>()), 1..200),
    ) {
        let fixed = |mut flags: Vec<Option<(u8, u8)>>| {
            flags[0] = flags[0].filter(|(kind, _)| *kind < 9).or(Some((2, 50)));
            flags[1] = Some((6, flags[1].map_or(0, |(_, n)| n)));
            file(&flags)
        };
        let after = before.iter().zip(&edits).map(|(flag, edit)| edit.or(*flag)).collect();
        let (before, after) = (fixed(before), fixed(after));
        let users: Vec<_> = users.into_iter().map(|(user, group, pro)| json!({
            "targetingKey": if user == 0 { Json::Null } else { format!("u{user}").into() },
            "groups": [format!("g{group}")],
            "plan": if pro { "pro" } else { "free" },
            "seats": user,
            "company": if pro { Json::from(group) } else { Json::Null },
        })).collect();
        let lines: String = users.iter().map(|user| format!("{user}\n")).collect();
        let source = Source::Lines { reader: Box::new(Cursor::new(lines)), name: String::new(), next: 1 };

        let (keys, counts) = counted(&before, &after, source);

        let expected = brute_force(&before, &after, &users);
        let mut found = 0;
        for (index, expected) in expected.iter().enumerate() {
            let at = keys.iter().position(|key| *key == format!("f{index}"));
            let Some(at) = at else {
                prop_assert_eq!(&expected[2..], &[0, 0, 0], "f{}", index);
                continue;
            };
            found += 1;
            let tally = counts.tallies[at];
            let Tally { on_before, on_after, newly_on, newly_off, other_value, redrawn } = tally;
            prop_assert_eq!([on_before, on_after, newly_on, newly_off, other_value], *expected, "f{}", index);
            prop_assert!(redrawn <= tally.changed());
        }
        prop_assert_eq!(found, keys.len());
    }
}
