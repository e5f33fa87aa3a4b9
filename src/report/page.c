#include "report/page.h"

#include "report/chart.h"
#include "report/escape.h"

enum { FULL = 1000, HALF = 480, NARROW = 350 };

static const char style[] =
    ":root{--paper:#fff;--ink:#1c1e21;--soft:#5d646d;--rule:#dfe2e6;--panel:#f5f6f8;"
    "--c0:#1f6fd1;--c1:#d1571a;--c2:#17886b;--c3:#9a4fb8;--c4:#b38600;--c5:#c2385f;--c6:#4f6b8a;"
    "--c7:#6e7f1d}"
    "@media(prefers-color-scheme:dark){:root{--paper:#14171b;--ink:#e7e9ec;--soft:#9aa3ad;"
    "--rule:#31373e;--panel:#1c2025;--c0:#6aaeff;--c1:#ff9256;--c2:#4fc9a4;--c3:#d293ec;"
    "--c4:#e0b83c;--c5:#ff86a3;--c6:#9db8d6;--c7:#b6c95c}}"
    "*{box-sizing:border-box}"
    "html{-webkit-text-size-adjust:100%}"
    "body{margin:0;background:var(--paper);color:var(--ink);"
    "font:16px/1.55 system-ui,-apple-system,'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif;"
    "font-variant-numeric:tabular-nums}"
    "main{max-width:1048px;margin:0 auto;padding:40px 24px 56px}"
    "h1{font-size:30px;line-height:1.2;margin:0 0 10px;letter-spacing:-.01em}"
    "h2{font-size:22px;line-height:1.25;margin:52px 0 8px;padding-top:18px;"
    "border-top:1px solid var(--rule)}"
    "h3{font-size:16px;margin:28px 0 6px}"
    "h1,h2,h3,p,figcaption,.pictures,footer{overflow-wrap:anywhere}" /* paths have no blanks */
    "p{margin:0 0 12px;max-width:44em}"
    ".lead{font-size:18px;color:var(--soft)}"
    "figure{margin:18px 0 22px}"
    "figcaption{font-size:14px;line-height:1.45;color:var(--soft);margin-top:8px;max-width:50em}"
    "svg{display:block;width:100%;height:auto;overflow:visible;font:12px system-ui,-apple-system,"
    "'Segoe UI',Roboto,'Noto Sans','DejaVu Sans',sans-serif}"
    ".pair{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:0 "
    "40px;align-items:start}"
    ".narrow{display:none}"
    ".scroll{overflow-x:auto;margin:14px 0 20px}"
    "table{border-collapse:collapse;font-size:14px;line-height:1.4;min-width:100%}"
    "th{text-align:left;font-weight:600;color:var(--soft);vertical-align:bottom!important}"
    "th,td{padding:6px 14px 6px 0;border-bottom:1px solid var(--rule);vertical-align:top}"
    "td:last-child,th:last-child{padding-right:0}"
    "td:first-child{min-width:10.5em;overflow-wrap:anywhere}th:not(.n){min-width:8em}"
    ".n{text-align:right}td.n{white-space:nowrap}.n+:not(.n){padding-left:14px}"
    ".dot{display:inline-block;width:10px;height:10px;border-radius:5px;margin-right:8px;"
    "background:currentColor}"
    "pre{background:var(--panel);border-radius:6px;padding:12px "
    "14px;overflow-x:auto;font:14px/1.45 "
    "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
    "footer{margin-top:48px;font-size:14px;color:var(--soft)}"
    "text{fill:var(--ink)}.tick{fill:var(--soft)}.label{fill:var(--ink)}.value{font-weight:600}"
    ".inside{fill:var(--paper)}"
    ".grid{stroke:var(--rule);fill:none}.axis{stroke:var(--soft);fill:none}"
    ".mark{stroke:var(--ink);stroke-width:2;fill:none}.empty{fill:var(--panel)}"
    ".line{fill:none;stroke:currentColor;stroke-width:2;stroke-linejoin:round}"
    ".dashed{stroke-dasharray:5 4}"
    ".fill,.span{fill:currentColor}.span{stroke:var(--paper);stroke-width:.5}"
    ".point{fill:currentColor;fill-opacity:.55;stroke:currentColor}"
    ".cell{fill:currentColor}"
    ".ct{color:var(--ink)}.c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}"
    ".c3{color:var(--c3)}.c4{color:var(--c4)}.c5{color:var(--c5)}.c6{color:var(--c6)}"
    ".c7{color:var(--c7)}"
    ".pictures{display:grid;grid-template-columns:repeat(auto-fill,minmax(104px,1fr));gap:18px "
    "14px;"
    "margin:16px 0}"
    ".pictures div{font-size:13px;line-height:1.35}"
    ".pictures "
    "img{display:block;width:100%;height:auto;image-rendering:pixelated;border-radius:4px;"
    "background:var(--panel);margin-bottom:5px}"
    "@media(max-width:720px){main{padding:24px 20px 40px}h1{font-size:25px}h2{font-size:20px;"
    "margin-top:40px}.lead{font-size:16px}.pair{display:block}.wide{display:none}"
    ".narrow{display:block}}"
    "@media print{.pair{break-inside:avoid}}";

void page_begin(text *out, const char *title, const char *lead)
{
    text_add(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                  "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">"
                  "<meta name=\"color-scheme\" content=\"light dark\"><title>");
    escape_add(out, title);
    text_add(out, "</title>\n<style>%s</style></head>\n<body><main>\n<h1>", style);
    escape_add(out, title);
    text_add(out, "</h1>\n");
    if (lead) {
        text_add(out, "<p class=\"lead\">");
        escape_add(out, lead);
        text_add(out, "</p>\n");
    }
}

void page_end(text *out, const char *foot)
{
    text_add(out, "<footer>");
    escape_add(out, foot);
    text_add(out, "</footer>\n</main></body></html>\n");
}

void page_heading(text *out, int level, const char *words)
{
    text_add(out, "<h%d>", level);
    escape_add(out, words);
    text_add(out, "</h%d>\n", level);
}

void page_paragraph(text *out, const char *words)
{
    text_add(out, "<p>");
    escape_add(out, words);
    text_add(out, "</p>\n");
}

void page_code(text *out, const char *words)
{
    text_add(out, "<pre>");
    escape_add(out, words);
    text_add(out, "</pre>\n");
}

void page_pair_begin(text *out)
{
    text_add(out, "<div class=\"pair\">\n");
}

void page_pair_end(text *out)
{
    text_add(out, "</div>\n");
}

void page_figure(text *out, const char *caption, bool half, page_drawing draw, const void *user)
{
    text below = {0}; /* first: the caption may lie in a buffer that the drawing takes again */
    if (caption) {
        text_add(&below, "<figcaption>");
        escape_add(&below, caption);
        text_add(&below, "</figcaption>");
    }
    text_add(out, "<figure><div class=\"wide\">");
    draw(out, user, half ? HALF : FULL);
    text_add(out, "</div><div class=\"narrow\">");
    draw(out, user, NARROW);
    text_add(out, "</div>%s</figure>\n", below.data ? below.data : "");
    out->failed |= below.failed;
    text_free(&below);
}

void page_table_begin(text *out, const char *const *headings, size_t count)
{
    text_add(out, "<div class=\"scroll\"><table><thead><tr>");
    for (size_t i = 0; i < count; i++) {
        bool number = headings[i][0] == '\t';
        text_add(out, number ? "<th class=\"n\">" : "<th>");
        escape_add(out, headings[i] + number);
        text_add(out, "</th>");
    }
    text_add(out, "</tr></thead><tbody>\n");
}

void page_table_row(text *out, int color, const char *const *cells, size_t count)
{
    text_add(out, "<tr>");
    for (size_t i = 0; i < count; i++) {
        bool number = cells[i][0] == '\t';
        text_add(out, number ? "<td class=\"n\">" : "<td>");
        if (i == 0 && color >= 0)
            text_add(out, "<span class=\"dot c%d\"></span>", color % CHART_COLORS);
        escape_add(out, cells[i] + number);
        text_add(out, "</td>");
    }
    text_add(out, "</tr>\n");
}

void page_table_end(text *out)
{
    text_add(out, "</tbody></table></div>\n");
}
