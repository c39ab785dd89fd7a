//! The scriptlets of a package, and when rpm runs them.
//!
//! Order and arguments: rpm 4.11 `lib/psm.c`, `lib/transaction.c`. Knows what a header says; must not know how anything
//! is run.

use std::fmt;

use rpm::IndexTag;

use super::Rpm;

/// When a scriptlet runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Moment {
    PreTrans,
    Pre,
    Post,
    PreUn,
    PostUn,
    PostTrans,
}

impl Moment {
    /// All of them.
    pub const ALL: [Moment; 6] =
        [Moment::PreTrans, Moment::Pre, Moment::Post, Moment::PreUn, Moment::PostUn, Moment::PostTrans];

    /// Tags of body, interpreter and flags.
    fn tags(self) -> [IndexTag; 3] {
        use IndexTag as T;
        match self {
            Moment::PreTrans => [T::RPMTAG_PRETRANS, T::RPMTAG_PRETRANSPROG, T::RPMTAG_PRETRANSFLAGS],
            Moment::Pre => [T::RPMTAG_PREIN, T::RPMTAG_PREINPROG, T::RPMTAG_PREINFLAGS],
            Moment::Post => [T::RPMTAG_POSTIN, T::RPMTAG_POSTINPROG, T::RPMTAG_POSTINFLAGS],
            Moment::PreUn => [T::RPMTAG_PREUN, T::RPMTAG_PREUNPROG, T::RPMTAG_PREUNFLAGS],
            Moment::PostUn => [T::RPMTAG_POSTUN, T::RPMTAG_POSTUNPROG, T::RPMTAG_POSTUNFLAGS],
            Moment::PostTrans => [T::RPMTAG_POSTTRANS, T::RPMTAG_POSTTRANSPROG, T::RPMTAG_POSTTRANSFLAGS],
        }
    }
}

impl fmt::Display for Moment {
    /// The name of its section in a spec file.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Moment::PreTrans => "%pretrans",
            Moment::Pre => "%pre",
            Moment::Post => "%post",
            Moment::PreUn => "%preun",
            Moment::PostUn => "%postun",
            Moment::PostTrans => "%posttrans",
        })
    }
}

/// A scriptlet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scriptlet {
    pub moment: Moment,
    /// The interpreter and its arguments; `<lua>` for the one inside rpm.
    pub program: Vec<String>,
    /// The script; `None` if the interpreter is run alone.
    pub body: Option<String>,
    /// Whether rpm expands macros in the body when it runs it.
    pub expands: bool,
}

/// The scriptlets of a package.
pub fn scriptlets(rpm: &Rpm) -> Vec<Scriptlet> {
    Moment::ALL.into_iter().filter_map(|moment| scriptlet(rpm, moment)).collect()
}

/// Whether the package has scriptlets that run when other packages come and go.
pub fn has_triggers(rpm: &Rpm) -> bool {
    rpm.metadata().header.entry_is_present(IndexTag::RPMTAG_TRIGGERNAME)
}

/// The programs that run scriptlets and triggers, each under the name that spec files have for what it runs.
pub fn interpreters(rpm: &Rpm) -> Vec<(String, String)> {
    use IndexTag as T;
    // Newer than rpm 4.11, or run by `rpm -V` or for other packages only.
    const OTHERS: [(&str, T, T); 4] = [
        ("%preuntrans", T::RPMTAG_PREUNTRANS, T::RPMTAG_PREUNTRANSPROG),
        ("%postuntrans", T::RPMTAG_POSTUNTRANS, T::RPMTAG_POSTUNTRANSPROG),
        ("%verifyscript", T::RPMTAG_VERIFYSCRIPT, T::RPMTAG_VERIFYSCRIPTPROG),
        ("trigger", T::RPMTAG_TRIGGERSCRIPTS, T::RPMTAG_TRIGGERSCRIPTPROG),
    ];
    let moments = scriptlets(rpm).into_iter().map(|scriptlet| (scriptlet.moment.to_string(), scriptlet.program));
    let others = OTHERS.into_iter().map(|(name, body, program)| {
        let programs = program_of(rpm, program);
        let shell = programs.is_empty() && rpm.metadata().header.entry_is_present(body);
        (name.to_owned(), if shell { vec![SHELL.to_owned()] } else { programs })
    });
    let named = moments.chain(others).flat_map(|(name, program)| {
        // A scriptlet has one program and perhaps arguments, triggers have a program each.
        let count = if name == "trigger" { program.len() } else { 1 };
        program.into_iter().take(count).map(move |program| (name.clone(), program))
    });
    named.collect()
}

/// What runs a scriptlet that names nothing.
const SHELL: &str = "/bin/sh";

fn program_of(rpm: &Rpm, tag: IndexTag) -> Vec<String> {
    let header = &rpm.metadata().header;
    match header.get_entry_data_as_string_array(tag) {
        Ok(words) => words.into_iter().map(str::to_owned).collect(),
        Err(_) => header.get_entry_data_as_string(tag).map(str::to_owned).into_iter().collect(),
    }
}

fn scriptlet(rpm: &Rpm, moment: Moment) -> Option<Scriptlet> {
    const EXPAND: u32 = 1;
    let header = &rpm.metadata().header;
    let [body, program, flags] = moment.tags();
    let body = header.get_entry_data_as_string(body).ok().map(str::to_owned);
    let program = program_of(rpm, program);
    if body.is_none() && program.is_empty() {
        return None;
    }
    let program = if program.is_empty() { vec![SHELL.to_owned()] } else { program };
    let expands = header.get_entry_data_as_u32(flags).is_ok_and(|flags| flags & EXPAND != 0);
    Some(Scriptlet { moment, program, body, expands })
}
