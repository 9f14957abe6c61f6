// OCA's settings for Odoo 19.0.
module.exports = {
    plugins: [require.resolve("@prettier/plugin-xml")],
    bracketSpacing: false,
    printWidth: 88,
    proseWrap: "preserve",
    tabWidth: 4,
    xmlWhitespaceSensitivity: "preserve",
    overrides: [{files: ["*.yaml", "*.yml", "*.md"], options: {tabWidth: 2}}],
};
