use super::*;
use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use std::io::Write;

/// An entry as some client writes it.
struct Item<'a> {
    name: &'a str,
    kind: u8,
    link: &'a str,
    bytes: &'a [u8],
}

const DOCKERFILE: Item<'static> = Item { name: "Dockerfile", kind: b'0', link: "", bytes: b"FROM scratch\n" };

fn item<'a>(name: &'a str, bytes: &'a [u8]) -> Item<'a> {
    Item { name, kind: b'0', link: "", bytes }
}

fn link<'a>(name: &'a str, kind: u8, link: &'a str) -> Item<'a> {
    Item { name, kind, link, bytes: b"" }
}

fn archive(items: &[Item<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for item in items {
        out.extend(block(item.name.as_bytes(), item.kind, item.link.as_bytes(), item.bytes.len()));
        out.extend_from_slice(item.bytes);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.extend([0; 2 * BLOCK]);
    out
}

fn block(name: &[u8], kind: u8, link: &[u8], size: usize) -> Vec<u8> {
    let mut block = vec![0; BLOCK];
    block[..name.len()].copy_from_slice(name);
    block[100..107].copy_from_slice(b"0000755");
    block[108..115].copy_from_slice(b"0001750");
    block[124..135].copy_from_slice(format!("{size:011o}").as_bytes());
    block[136..147].copy_from_slice(b"14000000000");
    block[156] = kind;
    block[157..157 + link.len()].copy_from_slice(link);
    block[257..263].copy_from_slice(b"ustar\0");
    block[148..156].copy_from_slice(b"        ");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    block[148..155].copy_from_slice(format!("{sum:06o}\0").as_bytes());
    block
}

fn build(dockerfile: &str) -> Build {
    Build { dockerfile: dockerfile.into(), planned: None }
}

/// Everything that the engine is sent, and the worker's Dockerfile.
fn through(bytes: &[u8], dockerfile: &str, piece: usize) -> Result<(Vec<u8>, Vec<u8>), Refusal> {
    let mut reader = ContextReader::new(&build(dockerfile));
    let mut out = Vec::new();
    for piece in bytes.chunks(piece) {
        reader.push(piece, &mut out)?;
    }
    let found = reader.end(&mut out)?;
    out.extend(reader.seal(b"FROM judged\n"));
    Ok((out, found))
}

/// Names, kinds, links and bytes of what the engine is sent.
fn listed(bytes: &[u8]) -> Vec<(String, u8, String, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    let mut extended = Extended::default();
    while let Some((block, after)) = rest.split_at_checked(BLOCK) {
        if block.iter().all(|byte| *byte == 0) {
            assert!(after.iter().all(|byte| *byte == 0));
            break;
        }
        let header = Header::read(block).unwrap();
        let size = usize::try_from(header.size).unwrap();
        let (data, after) = after.split_at(size.next_multiple_of(BLOCK));
        let data = &data[..size];
        rest = after;
        if header.kind == b'x' {
            extended.read(b'x', data).unwrap();
            continue;
        }
        let extended = std::mem::take(&mut extended);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let name = text(extended.path.unwrap_or(header.name));
        found.push((name, header.kind, text(extended.link.unwrap_or(header.link)), data.to_vec()));
    }
    found
}

#[test]
fn a_context_is_written_anew_with_the_judged_dockerfile_last() {
    let long = "a".repeat(120) + "/über";
    let items = [
        link("./", b'5', ""),
        DOCKERFILE,
        link("dir/", b'5', ""),
        item("dir/file", &[7; 1000]),
        link("dir/link", b'2', "../dir/file"),
        link("dir/hard", b'1', "dir/file"),
    ];
    let mut bytes = archive(&items);
    bytes.truncate(bytes.len() - 2 * BLOCK);
    let record = format!("{} path={long}\n", long.len() + 10);
    bytes.extend(archive(&[
        Item { name: "pax", kind: b'x', link: "", bytes: record.as_bytes() },
        item("short", b"x"),
    ]));
    // The blocks that end the first part were cut off, those of the second stay.
    for piece in [1, 511, 4096] {
        let (sent, found) = through(&bytes, "Dockerfile", piece).unwrap();
        assert_eq!(found, b"FROM scratch\n");
        assert_eq!(sent.len() % BLOCK, 0);
        let listed = listed(&sent);
        let names: Vec<&str> = listed.iter().map(|(name, ..)| name.as_str()).collect();
        let want = [
            "./",
            "dir/",
            "dir/file",
            "dir/link",
            "dir/hard",
            &long,
            "Dockerfile",
            ".dockerignore",
            JUDGED_DOCKERFILE,
        ];
        assert_eq!(names, want);
        assert_eq!(listed[2].3, [7; 1000]);
        assert_eq!((listed[3].1, listed[3].2.as_str()), (b'2', "../dir/file"));
        assert_eq!(listed[7].3, format!(".dockerignore\n{JUDGED_DOCKERFILE}\n").as_bytes());
        assert_eq!(listed[8].3, b"FROM judged\n");
    }
}

#[test]
fn gzip_is_unpacked_and_nothing_else() {
    let plain = archive(&[DOCKERFILE, item("a", &[1; 5000])]);
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&plain).unwrap();
    let packed = gzip.finish().unwrap();
    let (sent, _) = through(&packed, "Dockerfile", 7).unwrap();
    assert_eq!(sent, through(&plain, "Dockerfile", 4096).unwrap().0);
    let twice = [packed.clone(), packed.clone()].concat();
    let cut = packed[..packed.len() - 3].to_vec();
    let mut wrong = packed.clone();
    let last = wrong.len() - 6;
    wrong[last] ^= 1;
    for bytes in [twice, cut, wrong, [packed, vec![0]].concat()] {
        assert!(through(&bytes, "Dockerfile", 64).is_err());
    }
    for other in
        [&b"BZh91AY&SY"[..], b"\xfd7zXZ\0\0\0", b"\x28\xb5\x2f\xfd\0\0\0\0", b"", b"x", b"FROM scratch\n"]
    {
        assert!(through(other, "Dockerfile", 64).is_err(), "{other:?}");
    }
}

#[test]
fn what_is_no_clean_archive_is_refused() {
    let bad_items = [
        item("/etc/x", b""),
        item("../x", b""),
        item("a/../b", b""),
        item("a//b", b""),
        item("", b""),
        item(".", b""),
        item("a/.", b""),
        item("a\nb", b""),
        item("a\\b", b""),
        item(".wh.a", b""),
        item("a/.wh..wh..opq", b""),
        item(".doorward-dockerfile", b""),
        item("./.doorward-dockerfile", b""),
        item(".doorward-dockerfile/x", b""),
        link("a", b'3', ""),
        link("a", b'4', ""),
        link("a", b'6', ""),
        link("a", b'7', ""),
        link("a", b'S', ""),
        link("a", b'Z', ""),
        link("a", b'1', "../b"),
        link("a", b'1', "/b"),
        link("a", b'1', ""),
        link("a", b'2', ""),
        link("a", b'2', "../b"),
        link("a/b", b'2', "../../b"),
        link("a", b'2', "/../b"),
        link("a", b'2', "b\u{1}"),
        link(".dockerignore", b'2', "x"),
        link("Dockerfile", b'2', "x"),
        DOCKERFILE,
        Item { name: "a", kind: b'5', link: "", bytes: b"x" },
        Item { name: "g", kind: b'g', link: "", bytes: b"11 path=ab\n" },
        Item { name: "x", kind: b'x', link: "", bytes: b"31 SCHILY.xattr.user.x=aaaaaaa\n" },
        Item { name: "x", kind: b'x', link: "", bytes: b"11 path=a\n" },
        Item { name: "x", kind: b'x', link: "", bytes: b"10 path=a\n10 path=b\n" },
        Item { name: "x", kind: b'x', link: "", bytes: b"11 size=-1\n" },
    ];
    for bad in bad_items {
        let (name, kind) = (bad.name.to_owned(), char::from(bad.kind));
        assert!(through(&archive(&[DOCKERFILE, bad]), "Dockerfile", 4096).is_err(), "{name:?} {kind}");
    }
    let good = archive(&[DOCKERFILE, item("a", b"x")]);
    let mut wrong = good.clone();
    wrong[0] = b'E';
    let more = [good.clone(), good.clone()].concat();
    for bytes in [
        wrong,
        more,
        good[..good.len() - 3 * BLOCK - 1].to_vec(),
        good[..good.len() - 3 * BLOCK].to_vec(),
        good[..520].to_vec(),
        good[..good.len() - 1].to_vec(),
    ] {
        assert!(through(&bytes, "Dockerfile", 4096).is_err());
    }
    for unended in [&good[..good.len() - 2 * BLOCK], &good[..good.len() - 3 * BLOCK + 1]] {
        let sent = through(unended, "Dockerfile", 4096).unwrap();
        assert_eq!(
            sent,
            through(&good, "Dockerfile", 4096).unwrap(),
            "as the docker command's own with -f -"
        );
    }
    assert!(through(&archive(&[item("a", b"x")]), "Dockerfile", 4096).is_err(), "no Dockerfile");
}

#[test]
fn the_dockerfile_is_found_as_engines_find_it() {
    let lower = item("dockerfile", b"lower");
    let other = item("in/Other", b"other");
    let all = archive(&[lower, DOCKERFILE, other]);
    assert_eq!(through(&all, "Dockerfile", 99).unwrap().1, DOCKERFILE.bytes);
    assert_eq!(through(&all, "in/Other", 99).unwrap().1, b"other");
    let lower = archive(&[item("dockerfile", b"lower")]);
    assert_eq!(through(&lower, "Dockerfile", 99).unwrap().1, b"lower");
    assert!(through(&lower, "DOCKERFILE", 99).is_err());
}

#[test]
fn an_excluded_dockerfile_is_not_in_the_context() {
    let names = |rules: &str| {
        let bytes = archive(&[DOCKERFILE, item(".dockerignore", rules.as_bytes())]);
        let listed = listed(&through(&bytes, "Dockerfile", 4096).unwrap().0);
        let rules = listed.iter().find(|(name, ..)| name == ".dockerignore").unwrap().3.clone();
        (listed.iter().any(|(name, ..)| name == "Dockerfile"), String::from_utf8(rules).unwrap())
    };
    assert_eq!(names("x"), (true, format!("x\n{JUDGED_DOCKERFILE}\n")));
    assert_eq!(names("Docker*\n"), (false, format!("Docker*\n{JUDGED_DOCKERFILE}\n")));
}

#[test]
fn a_bomb_is_refused_before_it_is_large() {
    let zeros = vec![0; 1 << 20];
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    gzip.write_all(&block(b"a", b'0', b"", 1 << 30)).unwrap();
    for _ in 0..256 {
        gzip.write_all(&zeros).unwrap();
    }
    let packed = gzip.finish().unwrap();
    let mut reader = ContextReader::new(&build("Dockerfile"));
    let mut sent = 0;
    let refused = packed.chunks(4096).find_map(|piece| {
        let mut out = Vec::new();
        let pushed = reader.push(piece, &mut out);
        sent += out.len();
        pushed.err()
    });
    assert_eq!(refused.map(|refusal| refusal.reason), Some(Reason::TooLarge));
    assert!(sent < 128 << 20, "{sent}");
}

proptest! {
    #[test]
    fn any_bytes_are_taken_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..3000), piece in 1_usize..600) {
        let _ = through(&bytes, "Dockerfile", piece);
    }

    #[test]
    fn a_changed_archive_is_sent_clean_or_not_at_all(place in 0_usize..3000, byte in any::<u8>(), name in "[a./x]{1,12}") {
        let mut bytes = archive(&[DOCKERFILE, item(&name, b"x"), link("l", b'2', "Dockerfile")]);
        let place = place % bytes.len();
        bytes[place] = byte;
        if let Ok((sent, _)) = through(&bytes, "Dockerfile", 4096) {
            let listed = listed(&sent);
            prop_assert_eq!(listed.iter().filter(|(name, ..)| name == JUDGED_DOCKERFILE).count(), 1);
            prop_assert_eq!(&listed.last().unwrap().3, b"FROM judged\n");
            for (name, ..) in listed {
                prop_assert!(!name.starts_with('/') && !name.split('/').any(|part| part == ".."), "{}", name);
            }
        }
    }
}
