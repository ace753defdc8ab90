//! Transcripts: the README's console blocks and those in tests/cmd, with their exit codes.

#[test]
fn transcripts() {
    trycmd::TestCases::new()
        .env("NO_COLOR", "1")
        .case("README.md")
        .case("tests/cmd/*.md");
}
