use super::*;
use proptest::prelude::*;

fn read(file: &str) -> Result<Dockerfile, Reason> {
    Dockerfile::read(file.as_bytes()).map_err(|refusal| refusal.reason)
}

#[test]
fn what_is_in_the_subset_is_read() {
    let file = "ARG A=1\nFROM busybox AS One\nARG A\nARG B=c\nRUN --nothing\n".replace("RUN --nothing\n", "")
        + "ENV A=b C=\"d e\"\nENV old style\nWORKDIR /work\nWORKDIR in/it\nUSER 1000:1000\nEXPOSE 80 81/udp\n\
           VOLUME [\"/data\"]\nSTOPSIGNAL SIGTERM\nSHELL [\"/bin/sh\", \"-c\"]\nHEALTHCHECK --interval=30s --retries=3 CMD true\n\
           HEALTHCHECK NONE\nENTRYPOINT [\"/bin/sh\"]\nCMD echo hi\nMAINTAINER me\nLABEL a=b c.d=\"e \\\" $F\" g='h i'\n\
           RUN [ -e /x ] || true\nRUN [\"/bin/sh\", \"-c\", \"true\"]\n\
           FROM scratch\nCOPY --from=one /a /b\nCOPY --from=0 --chown=1:$G /a /b\nCOPY --from=alpine:3 /a /b\nCOPY [\"a b\", \"/c\"]\n\
           FROM one\nfrom busybox@sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa as last\n";
    let file = read(&file).unwrap();
    assert_eq!(file.stages.len(), 4);
    assert_eq!(file.globals.len(), 1);
    assert_eq!(file.stages[1].base, Base::Scratch);
    assert_eq!(file.stages[2].base, Base::From(Source::Stage(0)));
    let from = |place: usize| match &file.stages[1].instructions[place].meaning {
        Meaning::Copy { from, .. } => from.clone(),
        _ => None,
    };
    assert_eq!((from(0), from(1)), (Some(Source::Stage(0)), Some(Source::Stage(0))));
    assert_eq!((from(2), from(3)), (Some(Source::Image("alpine:3".into())), None));
    assert_eq!(file.images("").count(), 3);
    assert_eq!(file.images("one").collect::<Vec<_>>(), ["busybox"]);
    assert_eq!((file.stages_to("ONE"), file.stages_to("1"), file.stages_to("4")), (Some(1), Some(2), None));
}

#[test]
fn what_is_not_in_the_subset_is_refused() {
    use Reason::{BadRequest, FieldNotAllowed};
    for (lines, reason) in [
        ("ADD http://192.0.2.1/x /x", FieldNotAllowed),
        ("ADD x.tar /", FieldNotAllowed),
        ("ONBUILD RUN true", FieldNotAllowed),
        ("RUN --mount=type=cache,target=/x true", FieldNotAllowed),
        ("RUN --security=insecure true", FieldNotAllowed),
        ("RUN --network=host true", FieldNotAllowed),
        ("RUN <<EOF", FieldNotAllowed),
        ("RUN cat <<-EOF && x", FieldNotAllowed),
        ("COPY <<EOF /x", FieldNotAllowed),
        ("COPY --chmod=4755 a /b", FieldNotAllowed),
        ("COPY --link a /b", FieldNotAllowed),
        ("COPY --from=x --from=y a /b", FieldNotAllowed),
        ("COPY --from=$X a /b", BadRequest),
        ("COPY --from=\"x\" a /b", BadRequest),
        ("COPY --fr\\om=x a /b", FieldNotAllowed),
        ("COPY --from=1 a /b", BadRequest),
        ("COPY --from=0 a /b", BadRequest),
        ("COPY --from=-1 a /b", BadRequest),
        ("COPY --from=00 a /b", BadRequest),
        ("COPY --from=docker.io/../x a /b", BadRequest),
        ("COPY --chown=1", BadRequest),
        ("COPY -- a b", FieldNotAllowed),
        ("LABEL a b", BadRequest),
        ("LABEL $a=b", BadRequest),
        ("LABEL \"a\"=b", BadRequest),
        ("LABEL a\\b=c", BadRequest),
        ("LABEL a=b\\ c", BadRequest),
        ("LABEL a=\"b", BadRequest),
        ("LABEL a=\"b\"c=d", BadRequest),
        ("LABEL a='b\\' c'=d", BadRequest),
        ("LABEL --x a=b", FieldNotAllowed),
        ("WORKDIR $A", FieldNotAllowed),
        ("WORKDIR /a/../proc", FieldNotAllowed),
        ("WORKDIR \"/proc\"", FieldNotAllowed),
        ("WORKDIR /a\\b", FieldNotAllowed),
        ("VOLUME $A", FieldNotAllowed),
        ("HEALTHCHECK --interval=$A CMD x", BadRequest),
        ("HEALTHCHECK x", BadRequest),
        ("STOPSIGNAL $A", BadRequest),
        ("ARG $A=b", BadRequest),
        ("ARG", BadRequest),
        ("NONSENSE x", BadRequest),
        ("RUN", BadRequest),
        ("CMD --x", FieldNotAllowed),
        ("FROM $A", FieldNotAllowed),
        ("FROM x:${A}", FieldNotAllowed),
        ("FROM --platform=linux/arm64 x", FieldNotAllowed),
        ("FROM x AS", BadRequest),
        ("FROM x AS a b", BadRequest),
        ("FROM x AS scratch", BadRequest),
        ("FROM x AS 0", BadRequest),
        ("FROM x AS a\nFROM y AS A", BadRequest),
        ("FROM X", BadRequest),
        ("FROM ../x", BadRequest),
        ("FROM", BadRequest),
    ] {
        assert_eq!(read(&format!("FROM busybox\n{lines}\n")).map(|_| ()), Err(reason), "{lines}");
    }
    for file in ["", "# nothing", "RUN true", "ARG A\nRUN true\nFROM x", "LABEL a=b\nFROM x"] {
        assert_eq!(read(file).map(|_| ()), Err(BadRequest), "{file}");
    }
    assert_eq!(read(&"#".repeat(MAX_DOCKERFILE + 1)).map(|_| ()), Err(Reason::TooLarge));
    assert_eq!(
        read(&("FROM x\n".to_owned() + &"RUN a\n".repeat(MAX_INSTRUCTIONS))).map(|_| ()),
        Err(Reason::TooLarge)
    );
}

#[test]
fn a_label_of_any_plain_text_can_be_written() {
    assert_eq!(label("a", "b \"c\" $d \\").map(|label| label.quoted), Some(r#""b \"c\" \$d \\""#.into()));
    for (name, value) in [("a", "b\nc"), ("a", "\u{2028}"), ("", "b"), ("a b", "c"), ("a=b", "c"), ("é", "c")]
    {
        assert_eq!(label(name, value), None, "{name:?} {value:?}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = Dockerfile::read(&bytes);
    }

    #[test]
    fn what_was_read_stands_on_one_line_each(
        lines in proptest::collection::vec(
            prop_oneof![
                "FROM [a-z]{1,3}( AS [a-z]{1,3})?",
                "(RUN|CMD|ENV|USER|COPY|LABEL|ARG) [ -~]{0,30}",
                "[ -~\\t\\r\\x0b\u{a0}\u{2028}]{0,30}",
            ],
            0..12,
        )
    ) {
        if let Ok(file) = Dockerfile::read(lines.join("\n").as_bytes()) {
            for instruction in file.stages.iter().flat_map(|stage| &stage.instructions).chain(&file.globals) {
                prop_assert!(!instruction.text.contains(['\n', '\r']));
                prop_assert!(!instruction.text.ends_with('\\'));
                if let Meaning::Words(words) = &instruction.meaning {
                    prop_assert!(!words.starts_with("--") || instruction.keyword == "HEALTHCHECK");
                    prop_assert!(instruction.keyword != "RUN" || !words.contains("<<"));
                }
            }
        }
    }
}
