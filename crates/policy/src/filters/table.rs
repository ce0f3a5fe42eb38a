//! The table of filters.
//!
//! Sources, read option by option: the `--help` and manual pages of GNU grep 3.8, GNU coreutils 9.1 and jq
//! 1.6, and their sources for what those leave out (`tail -5`, `uniq -3`, jq's reading of its words). An
//! option that is not here is refused; one that reads or writes files, or starts programs, is here with the
//! reason why it is refused.

use super::Value::{Any, Count, Number, OneOf, Size};
use super::{Filter, FilterOption, Operands, Reading, Takes, Value};

const fn flag(names: &'static str, about: &'static str) -> FilterOption {
    FilterOption { names, takes: Takes::Nothing, allowed: true, about }
}

const fn valued(names: &'static str, name: &'static str, value: Value, about: &'static str) -> FilterOption {
    FilterOption { names, takes: Takes::Value(name, value), allowed: true, about }
}

const fn maybe(names: &'static str, name: &'static str, value: Value, about: &'static str) -> FilterOption {
    FilterOption { names, takes: Takes::Maybe(name, value), allowed: true, about }
}

const fn two(names: &'static str, about: &'static str) -> FilterOption {
    FilterOption { names, takes: Takes::Two, allowed: true, about }
}

const fn refused(names: &'static str, why: &'static str) -> FilterOption {
    FilterOption { names, takes: Takes::Nothing, allowed: false, about: why }
}

const HELP: FilterOption = flag("--help", "The program's own help.");
const VERSION: FilterOption = flag("--version", "The program's version.");
const ZERO: FilterOption = flag("-z --zero-terminated", "Lines end with a zero byte.");
const COLOUR: Value = OneOf(&["always", "never", "auto"]);
const FOLLOWS: &str = "it waits for more of a file, and stdin is no file";
const WALKS: &str = "it walks folders";
const CHOOSES: &str = "it chooses among files";
const NAMES_FILES: &str = "it reads the files that are named in a file";

/// The table.
pub const FILTERS: &[Filter] = &[
    Filter {
        name: "grep",
        about: "Lines that match a pattern. Exit 1 when none does.",
        usage: "grep [OPTION…] PATTERN",
        example: "grep -i -A 3 error",
        options: GREP,
        operands: Operands::Pattern,
        reading: Reading::Gnu,
        always: &[],
    },
    Filter {
        name: "head",
        about: "The first lines, ten unless told.",
        usage: "head [-n LINES|-c BYTES|-LINES]",
        example: "head -n 20",
        options: HEAD,
        operands: Operands::Stdin,
        reading: Reading::GnuHead,
        always: &[],
    },
    Filter {
        name: "tail",
        about: "The last lines, ten unless told; with +N, from the Nth on.",
        usage: "tail [-n LINES|-c BYTES|-LINES|+LINE]",
        example: "tail -50",
        options: TAIL,
        operands: Operands::Stdin,
        reading: Reading::GnuTail,
        always: &[],
    },
    Filter {
        name: "wc",
        about: "Counts lines, words and bytes.",
        usage: "wc [-l|-w|-c|-m|-L]",
        example: "wc -l",
        options: WC,
        operands: Operands::Stdin,
        reading: Reading::Gnu,
        always: &[],
    },
    Filter {
        name: "sort",
        about: "Sorts lines, all of them in memory, in 512 MiB unless -S says more.",
        usage: "sort [OPTION…] [-k KEY] [-t SEPARATOR]",
        example: "sort -rn -k 2,2",
        options: SORT,
        operands: Operands::Stdin,
        reading: Reading::Gnu,
        always: SORT_ALWAYS,
    },
    Filter {
        name: "uniq",
        about: "One of each run of equal lines.",
        usage: "uniq [-c|-d|-u] [OPTION…]",
        example: "uniq -c",
        options: UNIQ,
        operands: Operands::Stdin,
        reading: Reading::Gnu,
        always: &[],
    },
    Filter {
        name: "cut",
        about: "Parts of each line.",
        usage: "cut (-f|-c|-b) LIST [-d SEPARATOR]",
        example: "cut -d : -f 1,3-",
        options: CUT,
        operands: Operands::Stdin,
        reading: Reading::Gnu,
        always: &[],
    },
    Filter {
        name: "tr",
        about: "Replaces, squeezes or deletes characters.",
        usage: "tr [-c] [-d|-s|-t] SET [SET]",
        example: "tr -d '\\r'",
        options: TR,
        operands: Operands::Sets,
        reading: Reading::GnuInOrder,
        always: &[],
    },
    Filter {
        name: "jq",
        about: "A program over JSON.",
        usage: "jq [OPTION…] PROGRAM",
        example: "jq -r '.[].Name'",
        options: JQ,
        operands: Operands::Program,
        reading: Reading::Jq,
        always: &[],
    },
    Filter {
        name: "cat",
        about: "What it reads, as it is.",
        usage: "cat [-n] [-A]",
        example: "cat -n",
        options: CAT,
        operands: Operands::Stdin,
        reading: Reading::Gnu,
        always: &[],
    },
    Filter {
        name: "echo",
        about: "Prints its words. It reads nothing.",
        usage: "echo [-n] [-e|-E] [WORD…]",
        example: "echo done",
        options: ECHO,
        operands: Operands::Words,
        reading: Reading::Nothing,
        always: &[],
    },
    Filter {
        name: "true",
        about: "Exits 0, whatever its words. It reads nothing.",
        usage: "true",
        example: "true",
        options: &[],
        operands: Operands::Words,
        reading: Reading::Nothing,
        always: &[],
    },
    Filter {
        name: "false",
        about: "Exits 1, whatever its words. It reads nothing.",
        usage: "false",
        example: "false",
        options: &[],
        operands: Operands::Words,
        reading: Reading::Nothing,
        always: &[],
    },
];

const GREP: &[FilterOption] = &[
    flag("-E --extended-regexp", "The pattern is an extended regular expression."),
    flag("-F --fixed-strings", "The pattern is plain text."),
    flag("-G --basic-regexp", "The pattern is a basic regular expression, which is the default."),
    flag("-P --perl-regexp", "The pattern is a Perl regular expression."),
    valued("-e --regexp", "PATTERN", Any, "A pattern; may be given several times."),
    flag("-i --ignore-case", "Upper and lower case are equal."),
    flag("--no-ignore-case", "Upper and lower case differ, which is the default."),
    flag("-w --word-regexp", "Whole words only."),
    flag("-x --line-regexp", "Whole lines only."),
    flag("-z --null-data", "Lines end with a zero byte."),
    flag("-v --invert-match", "Lines that do not match."),
    flag("-c --count", "Only how many lines."),
    flag("-o --only-matching", "Only the parts that match."),
    flag("-n --line-number", "With line numbers."),
    valued("-m --max-count", "NUM", Number, "Stops after so many lines."),
    valued("-A --after-context", "NUM", Number, "So many lines after each."),
    valued("-B --before-context", "NUM", Number, "So many lines before each."),
    valued("-C --context", "NUM", Number, "So many lines around each."),
    flag("-0 -1 -2 -3 -4 -5 -6 -7 -8 -9", "The same as --context NUM."),
    valued("--group-separator", "TEXT", Any, "What stands between groups of lines."),
    flag("--no-group-separator", "Nothing stands between groups of lines."),
    flag("-q --quiet --silent", "No output, only the exit status."),
    flag("-s --no-messages", "No error messages."),
    flag("-a --text", "Reads binary as text."),
    flag("-I", "Binary never matches."),
    valued("--binary-files", "TYPE", OneOf(&["binary", "text", "without-match"]), "How binary is taken."),
    flag("-U --binary", "Leaves carriage returns, which only other systems take away."),
    flag("-b --byte-offset", "With byte offsets."),
    flag("-H --with-filename", "With a name before each line."),
    flag("-h --no-filename", "Without names, which is the default."),
    valued("--label", "NAME", Any, "The name that -H shows."),
    flag("-l --files-with-matches", "Only the name, when a line matches."),
    flag("-L --files-without-match", "Only the name, when no line matches."),
    flag("-T --initial-tab", "Lines up by tabs."),
    flag("-Z --null", "A zero byte after names."),
    flag("--line-buffered", "Writes each line at once."),
    maybe("--color --colour", "WHEN", COLOUR, "Marks what matches."),
    HELP,
    flag("-V --version", "The program's version."),
    refused("-f --file", "it reads patterns from a file; give each with -e"),
    refused("-r --recursive", WALKS),
    refused("-R --dereference-recursive", WALKS),
    refused("-d --directories", WALKS),
    refused("-D --devices", "it opens devices"),
    refused("--include", CHOOSES),
    refused("--exclude", CHOOSES),
    refused("--exclude-dir", CHOOSES),
    refused("--exclude-from", "it reads a file"),
];

const HEAD: &[FilterOption] = &[
    valued("-n --lines", "[-]NUM", Count, "So many lines; with -, all but so many of the last."),
    valued("-c --bytes", "[-]NUM", Count, "So many bytes; with -, all but so many of the last."),
    flag("-q --quiet --silent", "Without a header, which is the default."),
    flag("-v --verbose", "With a header."),
    ZERO,
    HELP,
    VERSION,
];

const TAIL: &[FilterOption] = &[
    valued("-n --lines", "[+]NUM", Count, "So many lines; with +, from that line on."),
    valued("-c --bytes", "[+]NUM", Count, "So many bytes; with +, from that byte on."),
    flag("-q --quiet --silent", "Without a header, which is the default."),
    flag("-v --verbose", "With a header."),
    ZERO,
    HELP,
    VERSION,
    refused("-f --follow", FOLLOWS),
    refused("-F", FOLLOWS),
    refused("--retry", FOLLOWS),
    refused("-s --sleep-interval", FOLLOWS),
    refused("--max-unchanged-stats", FOLLOWS),
    refused("--pid", "it watches a process"),
];

const WC: &[FilterOption] = &[
    flag("-l --lines", "Lines."),
    flag("-w --words", "Words."),
    flag("-c --bytes", "Bytes."),
    flag("-m --chars", "Characters."),
    flag("-L --max-line-length", "The widest line."),
    HELP,
    VERSION,
    refused("--files0-from", NAMES_FILES),
];

const ORDERS: Value = OneOf(&["general-numeric", "human-numeric", "month", "numeric", "random", "version"]);

/// By itself it takes some 50 MiB for what comes through a pipe and then wants a folder for temporary files,
/// which it does not have: so it is given half of what a process may hold.
const SORT_ALWAYS: &[&str] = &["--buffer-size=512M"];

const SORT: &[FilterOption] = &[
    flag("-n --numeric-sort", "By number."),
    flag("-g --general-numeric-sort", "By number, also like 1e3."),
    flag("-h --human-numeric-sort", "By size, like 2K and 1G."),
    flag("-M --month-sort", "By month, like JAN."),
    flag("-V --version-sort", "By version."),
    flag("-R --random-sort", "Shuffled, with equal lines together."),
    valued("--sort", "ORDER", ORDERS, "By that order."),
    flag("-r --reverse", "The other way round."),
    flag("-u --unique", "One of each."),
    flag("-f --ignore-case", "Upper and lower case are equal."),
    flag("-b --ignore-leading-blanks", "Without blanks at the beginning."),
    flag("-d --dictionary-order", "By letters, digits and blanks alone."),
    flag("-i --ignore-nonprinting", "By printable characters alone."),
    valued("-k --key", "KEY", Any, "By a part of the line, like 2,2n."),
    valued("-t --field-separator", "SEPARATOR", Any, "What parts the fields."),
    flag("-s --stable", "Leaves equal lines in their order."),
    flag("-c", "Only checks the order."),
    flag("-C", "Only checks the order, without a word."),
    maybe("--check", "HOW", OneOf(&["diagnose-first", "quiet", "silent"]), "Only checks the order."),
    flag("-m --merge", "Takes what it reads as sorted."),
    valued("-S --buffer-size", "SIZE", Size, "Memory to sort in, when that is more."),
    valued("--parallel", "NUM", Number, "So many sorts at a time."),
    valued("--batch-size", "NUM", Number, "So many inputs merged at a time."),
    flag("--debug", "Shows what is sorted by."),
    ZERO,
    HELP,
    VERSION,
    refused("-o --output", "it writes a file; what is sorted goes to stdout"),
    refused("-T --temporary-directory", "it writes files in a folder"),
    refused("--compress-program", "it starts a program"),
    refused("--files0-from", NAMES_FILES),
    refused("--random-source", "it reads a file"),
];

const UNIQ: &[FilterOption] = &[
    flag("-c --count", "With how often each came."),
    flag("-d --repeated", "Only lines that came more than once."),
    flag("-D", "All lines that came more than once."),
    maybe(
        "--all-repeated",
        "HOW",
        OneOf(&["none", "prepend", "separate"]),
        "The same, with empty lines between.",
    ),
    maybe(
        "--group",
        "HOW",
        OneOf(&["separate", "prepend", "append", "both"]),
        "All lines, with empty ones between groups.",
    ),
    flag("-u --unique", "Only lines that came once."),
    flag("-i --ignore-case", "Upper and lower case are equal."),
    valued("-f --skip-fields", "NUM", Number, "Without the first fields."),
    valued("-s --skip-chars", "NUM", Number, "Without the first characters."),
    valued("-w --check-chars", "NUM", Number, "Only so many characters."),
    flag("-0 -1 -2 -3 -4 -5 -6 -7 -8 -9", "The same as --skip-fields NUM."),
    ZERO,
    HELP,
    VERSION,
];

const CUT: &[FilterOption] = &[
    valued("-f --fields", "LIST", Any, "These fields, like 1,3-5."),
    valued("-c --characters", "LIST", Any, "These characters."),
    valued("-b --bytes", "LIST", Any, "These bytes."),
    valued("-d --delimiter", "CHARACTER", Any, "What parts the fields; a tab unless told."),
    valued("--output-delimiter", "TEXT", Any, "What parts them in the output."),
    flag("-s --only-delimited", "Without lines that have one field."),
    flag("--complement", "All but these."),
    flag("-n", "Nothing; it is taken for old scripts."),
    ZERO,
    HELP,
    VERSION,
];

const TR: &[FilterOption] = &[
    flag("-c -C --complement", "All characters but those of the first set."),
    flag("-d --delete", "Deletes those of the first set."),
    flag("-s --squeeze-repeats", "One of each run of those of the last set."),
    flag("-t --truncate-set1", "Cuts the first set to the second's length."),
    HELP,
    VERSION,
];

const JQ: &[FilterOption] = &[
    flag("-r --raw-output", "Texts without quotes."),
    flag("-j --join-output", "The same, without line ends."),
    flag("-c --compact-output", "One line for each result."),
    flag("-s --slurp", "Reads all into one list."),
    flag("-n --null-input", "Reads nothing before the program asks."),
    flag("-R --raw-input", "Reads lines, not JSON."),
    flag("-e --exit-status", "The exit status tells the last result."),
    flag("-S --sort-keys", "Keys in order."),
    flag("-C --color-output", "In colour."),
    flag("-M --monochrome-output", "Without colour."),
    flag("-a --ascii-output", "Only ASCII."),
    flag("--tab", "Indents by tabs."),
    valued("--indent", "NUM", OneOf(&["0", "1", "2", "3", "4", "5", "6", "7"]), "Indents by so many blanks."),
    flag("--unbuffered", "Writes each result at once."),
    flag("--stream", "Reads in pieces."),
    flag("--stream-errors", "The same, with errors as pieces."),
    flag("--seq", "Results as a JSON text sequence."),
    two("--arg", "Sets $NAME to a text."),
    two("--argjson", "Sets $NAME to a JSON value."),
    flag("--args", "The words after the program are texts, in $ARGS."),
    flag("--jsonargs", "The words after the program are JSON values, in $ARGS."),
    flag("-h --help", "The program's own help."),
    flag("-V --version", "The program's version."),
    refused("-f --from-file", "it reads the program from a file"),
    refused("-L --library-path", "it reads modules from a folder"),
    refused("--slurpfile", "it reads a file; give the value with --argjson"),
    refused("--rawfile", "it reads a file; give the text with --arg"),
    refused("--argfile", "it reads a file; give the value with --argjson"),
    refused("--run-tests", "it reads a file"),
];

const CAT: &[FilterOption] = &[
    flag("-n --number", "Numbers the lines."),
    flag("-b --number-nonblank", "Numbers the lines that are not empty."),
    flag("-s --squeeze-blank", "One of each run of empty lines."),
    flag("-A --show-all", "Shows what cannot be seen."),
    flag("-v --show-nonprinting", "Shows control characters."),
    flag("-E --show-ends", "Shows where lines end."),
    flag("-T --show-tabs", "Shows tabs."),
    flag("-e", "-v and -E."),
    flag("-t", "-v and -T."),
    flag("-u", "Nothing; it is taken for old scripts."),
    HELP,
    VERSION,
];

const ECHO: &[FilterOption] = &[
    flag("-n", "Without the line's end."),
    flag("-e", "Reads escapes like \\n."),
    flag("-E", "Reads no escapes, which is the default."),
];
