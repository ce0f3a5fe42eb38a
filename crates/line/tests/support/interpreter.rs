//! Does what a list says with plain children, for comparison with `sh`.

use doorward_line::{Connector, List, Pipeline, StageErr, StageOut};
use std::collections::BTreeMap;
use std::io::{Read, pipe};
use std::process::{Command, Stdio};

/// What came out, and the exit status. Of stderr only how often each character came: the commands of a
/// pipeline write there at one time, in pieces.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    out: String,
    err: BTreeMap<char, usize>,
    status: Option<i32>,
}

impl Outcome {
    fn new(out: String, errors: &str, status: Option<i32>) -> Self {
        let mut err = BTreeMap::new();
        errors.chars().for_each(|c| *err.entry(c).or_default() += 1);
        Outcome { out, err, status }
    }

    /// What `sh` makes of the line.
    pub(crate) fn of_sh(line: &str) -> Outcome {
        let sh = Command::new("sh").args(["-c", line]).stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Outcome::new(text(sh.stdout), &text(sh.stderr), sh.status.code())
    }
}

/// Does what the list says.
pub(crate) fn run(list: &List) -> Outcome {
    let (mut out, mut err) = (String::new(), String::new());
    let mut status = pipeline(&list.first, &mut out, &mut err);
    for (connector, next) in &list.rest {
        let runs = match connector {
            Connector::And => status == Some(0),
            Connector::Or => status != Some(0),
            Connector::Then => true,
        };
        if runs {
            status = pipeline(next, &mut out, &mut err);
        }
    }
    Outcome::new(out, &err, status)
}

fn pipeline(pipeline: &Pipeline, out: &mut String, err: &mut String) -> Option<i32> {
    let (mut line_out, last) = pipe().unwrap();
    let (mut line_err, errors) = pipe().unwrap();
    let mut stdin = Stdio::null();
    let mut children = Vec::new();
    for (at, stage) in pipeline.stages.iter().enumerate() {
        let (reader, writer) = match at + 1 == pipeline.stages.len() {
            true => (Stdio::null(), last.try_clone().unwrap()),
            false => pipe().map(|(reader, writer)| (reader.into(), writer)).unwrap(),
        };
        let mut command = Command::new(&stage.command.argv()[0]);
        command.args(&stage.command.argv()[1..]).stdin(std::mem::replace(&mut stdin, reader));
        match stage.err {
            StageErr::Line => command.stderr(errors.try_clone().unwrap()),
            StageErr::Null => command.stderr(Stdio::null()),
            StageErr::Next => command.stderr(writer.try_clone().unwrap()),
        };
        match stage.out {
            StageOut::Next => command.stdout(writer),
            StageOut::Null => command.stdout(Stdio::null()),
        };
        children.push(command.spawn().unwrap());
    }
    drop((last, errors));
    line_out.read_to_string(out).unwrap();
    line_err.read_to_string(err).unwrap();
    children.into_iter().fold(None, |_, mut child| child.wait().unwrap().code())
}
