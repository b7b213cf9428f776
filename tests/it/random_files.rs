//! Random valid flag files, with all words of the language.
//!
//! The tests of the command include this file, too.

pub(crate) const FLAGS: [&str; 4] = ["a", "b", "c", "d"];

/// Values and variants of a flag, with the names of the variants.
const KINDS: [(&str, &[&str]); 9] = [
    ("", &[]),
    ("value = 50", &[]),
    ("value = \"text\"", &[]),
    ("value = [1, 2]", &[]),
    ("variants = { control = 1, treatment = 1 }", &["control", "treatment"]),
    ("variants = { on = 1, off = 1 }", &["on", "off"]),
    ("variants = { control = 1, default = 2 }", &["control", "default"]),
    (
        "variants = { control = { value = 1 }, treatment = { weight = 1, value = 2.5 } }",
        &["control", "treatment"],
    ),
    (
        "variants = { old = { weight = 1, value = false }, new = { weight = 2, value = true } }",
        &["old", "new"],
    ),
];

const ROLLOUTS: &[&str] = &[
    "{ stages = [{ percentage = 50, at = 2000-01-01 }, { percentage = 100, at = 2000-01-02 }] }",
    "{ start = 2000-01-01, stages = [{ percentage = 25, for = \"1h\", auto = false }, { percentage = 50 }] }",
    "{ stages = [{ percentage = 0, auto = false }, { percentage = 75 }], stage = 2, stage_started = 2000-01-01, \
     paused_at = 2000-01-02 }",
];

/// Returns a file whose flags are `a` to `d`, with the environment `staging`. When no choices are left,
/// the rest of the file is as plain as possible.
pub(crate) fn file(choices: &[u8]) -> String {
    let mut choices = Choices {
        left: choices,
        kinds: [0; FLAGS.len()],
        forced: "[environments.staging]\n".to_owned(),
    };
    choices.kinds = FLAGS.map(|_| usize::from(choices.below(KINDS.len() as u8)));
    let mut text = "[segments.gold]\nwhen = { plan = \"gold\" }\n\
                    [segments.asking]\nunless = { flag = \"d\" }\n[flags]\n"
        .to_owned();
    for flag in 0..FLAGS.len() {
        text += &choices.flag("flags", flag);
    }
    let mut patches = String::new();
    for flag in 0..FLAGS.len() {
        if choices.one_in(2) {
            patches += &choices.flag("environments.staging", flag);
        }
    }
    text + &choices.forced + &patches
}

/// The choices from which a file is generated.
struct Choices<'c> {
    left: &'c [u8],
    /// The kind of each flag.
    kinds: [usize; FLAGS.len()],
    /// The forced values of the environment.
    forced: String,
}

impl Choices<'_> {
    /// Returns a number below `most`.
    fn below(&mut self, most: u8) -> u8 {
        match self.left.split_first() {
            None => 0,
            Some((first, rest)) => {
                self.left = rest;
                first % most
            }
        }
    }

    fn one_in(&mut self, most: u8) -> bool {
        self.below(most) == 1
    }

    fn of<'t>(&mut self, texts: &[&'t str]) -> &'t str {
        texts[usize::from(self.below(texts.len() as u8))]
    }

    fn variants(&self, flag: usize) -> &'static [&'static str] {
        KINDS[self.kinds[flag]].1
    }

    fn flag(&mut self, table: &str, flag: usize) -> String {
        let name = FLAGS[flag];
        // In an environment, a boolean forces the flag on or off.
        let short = match (self.below(8), table) {
            (0, "environments.staging") => "enabled = true",
            (1, _) => "enabled = false",
            (2, _) => "percentage = 25",
            _ => "",
        };
        if table != "flags" && self.one_in(4) {
            let forced = self.of(&["true", "false", "\"75%\""]);
            self.forced += &format!("{name} = {forced}\n");
            return String::new();
        }
        let settings = self.settings(table, flag);
        format!("[{table}.{name}]\n{short}\n{settings}")
    }

    fn settings(&mut self, table: &str, flag: usize) -> String {
        let variants = self.variants(flag);
        let mut lines = Vec::new();
        if table == "flags" {
            lines.push(KINDS[self.kinds[flag]].0.to_owned());
        }
        if !variants.is_empty() {
            if self.one_in(4) {
                lines.push(format!("serve = \"{}\"", self.of(variants)));
            }
            match self.below(4) {
                1 => lines.push("off = \"default\"".to_owned()),
                2 => lines.push(format!("off = \"{}\"", variants[0])),
                _ => {}
            }
            if self.one_in(5) {
                lines.push(format!("traffic = {}", self.of(&["50", "0"])));
            }
        }
        let optional = [
            (5, "bucket_by", &["\"plan\"", "\"request\""][..]),
            (4, "allowed_users", &["[\"ana\"]"]),
            (4, "denied_groups", &["[\"banned\"]"]),
            (6, "active", &["{ until = 2000-01-01 }", "{ from = 2000-01-01 }"]),
            (6, "denied_users", &["[\"eve\"]"]),
            (6, "allowed_groups", &["[\"employees\"]"]),
            (6, "salt", &["\"a\"", "\"other\""]),
            (6, "rollout", ROLLOUTS),
            (6, "stale_after", &["\"5m\""]),
            (6, "on_stale", &["\"keep\"", "\"declared\"", "\"on\"", "\"off\"", "\"unavailable\""]),
            (6, "permanent", &["true"]),
            (6, "client", &["true", "false"]),
            (6, "testable", &["true"]),
            (6, "metadata", &["{ issue = \"PAY-412\", tier = 1 }"]),
            (9, "description", &["\"A flag\""]),
            (9, "owner", &["\"web\""]),
            (9, "tags", &["[\"web\"]"]),
            (9, "created", &["2000-01-01"]),
            (9, "expires", &["2000-01-02"]),
        ];
        for (most, name, values) in optional {
            if self.one_in(most) {
                lines.push(format!("{name} = {}", self.of(values)));
            }
        }
        if self.one_in(3) {
            lines.push(format!("requires = [{}]", self.prerequisite(flag)));
        }
        let rules: Vec<_> = (0..self.below(3)).map(|number| self.rule(flag, number)).collect();
        if !rules.is_empty() {
            lines.push(format!("rules = [{}]", rules.join(", ")));
        }
        lines.join("\n") + "\n"
    }

    /// Returns a requirement on another flag, mostly a later one, so that there are few cycles.
    fn prerequisite(&mut self, of: usize) -> String {
        let later = usize::from(self.below((FLAGS.len() - of).max(2) as u8 - 1));
        let at = if self.one_in(12) { later } else { (of + 1 + later).min(FLAGS.len() - 1) };
        let (flag, variants) = (FLAGS[at], self.variants(at));
        match self.below(4) {
            1 => format!("{{ flag = \"{flag}\", on = false }}"),
            2 if !variants.is_empty() => {
                format!("{{ flag = \"{flag}\", variant = \"{}\" }}", self.of(variants))
            }
            3 if !variants.is_empty() => format!("{{ flag = \"{flag}\", variant = {variants:?} }}"),
            _ => format!("\"{flag}\""),
        }
    }

    fn rule(&mut self, flag: usize, number: u8) -> String {
        let when = self.condition(flag, 2);
        let unless = match self.one_in(3) {
            true => format!(", unless = {{ {} }}", self.condition(flag, 2)),
            false => String::new(),
        };
        let serve = match (self.below(6), self.variants(flag)) {
            (0, _) => "true".to_owned(),
            (1, _) => "false".to_owned(),
            (2, _) => "\"50%\"".to_owned(),
            (3, [first, second]) => format!("{{ {first} = 1, {second} = 1 }}"),
            (4, variants @ [_, _]) => format!("\"{}\"", self.of(variants)),
            _ => "\"default\"".to_owned(),
        };
        format!("{{ name = \"r{number}\", when = {{ {when} }}{unless}, serve = {serve} }}")
    }

    /// Returns the parts of a condition.
    fn condition(&mut self, flag: usize, depth: u8) -> String {
        let kinds = if depth == 0 { 7 } else { 11 };
        match self.below(kinds) {
            0 => "plan = \"gold\"".to_owned(),
            1 => "seats = { gt = 10, as = \"number\" }".to_owned(),
            2 => "plan = { eq = \"GOLD\", ignore_case = true }".to_owned(),
            3 if flag + 1 < FLAGS.len() => format!("flag = {}", self.prerequisite(flag)),
            4 if flag + 1 < FLAGS.len() => "segment = [\"gold\", \"asking\"]".to_owned(),
            5 => "attributes = { segment = \"x\", flag = { exists = false } }".to_owned(),
            7 => format!("not = {{ {} }}", self.condition(flag, depth - 1)),
            8 => format!("unless = {{ {} }}", self.condition(flag, depth - 1)),
            word @ (9 | 10) => {
                let [first, second] = [(); 2].map(|()| self.condition(flag, depth - 1));
                let word = if word == 9 { "any" } else { "all" };
                format!("{word} = [{{ {first} }}, {{ {second} }}]")
            }
            _ => "plan = { ne = \"free\" }".to_owned(),
        }
    }
}
