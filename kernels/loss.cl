<%doc>
Cross entropy of log-probabilities logp[outer, classes, inner] against class indices target[outer, inner].

name       kernel name without its prefix
mode       "forward"   one work-item per part of the lines: sums of losses and of weights (parts of them in order), or a loss per line
           "finish"    add the parts, divide for the mean
           "backward"  gradient with respect to the scores before log_softmax (softmax) or to logp itself (plain)
A, X, xtag arithmetic type, storage type and tag of logp and of the gradient written
I          storage type of the targets; weighted: True where classes have weights
each       True where every line's loss is wanted (reduction "none"); mean: divide by the sum of weights
</%doc>
<%
def load(p, at):
    return f"ct_load_{xtag}({p}, {at})" if xtag in ("f16", "bf16") else f"{p}[{at}]"
def store(p, value, at):
    return f"ct_store_{xtag}({value}, {p}, {at});" if xtag in ("f16", "bf16") else f"{p}[{at}] = {value};"
w = "(%s)" % load("weight", "t") if weighted else f"(({A})1)"
wc = "(%s)" % load("weight", "c") if weighted else f"(({A})1)"
%>
% if mode == "forward":
__kernel void ct_${name}(long outer, long classes, long inner, long per_item, long ignore, ${A} smooth,
                         const __global ${X} *logp, const __global ${I} *target
% if weighted:
                         , const __global ${X} *weight
% endif
                         , __global ${X if each else A} *losses, __global ${A} *weights)
{
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer * inner, first + per_item);
    ${A} total = 0, heavy = 0;
    for (long line = first; line < last; ++line) {
        const long o = line / inner, i = line - o * inner;
        const long t = target[line];
        ${A} loss = 0;
        if (t != ignore) {
            // a class out of range must not read elsewhere; the result says that something is wrong
            if (t < 0 || t >= classes) {
                loss = NAN;
            } else {
                const long at = o * classes * inner + i;
                loss = -(1 - smooth) * ${w} * ${load("logp", "at + t * inner")};
                heavy += ${w};
                if (smooth > 0) {
                    ${A} spread = 0;
                    for (long c = 0; c < classes; ++c) spread -= ${wc} * ${load("logp", "at + c * inner")};
                    loss += smooth / classes * spread;
                }
            }
        }
% if each:
        ${store("losses", "loss", "line")}
% else:
        total += loss;
% endif
    }
% if not each:
    losses[get_global_id(0)] = total;
    weights[get_global_id(0)] = heavy;
% endif
}
% elif mode == "finish":
__kernel void ct_${name}(long parts, const __global ${A} *losses, __global ${A} *weights, __global ${X} *out)
{
    ${A} total = 0, heavy = 0;
    for (long p = 0; p < parts; ++p) { total += losses[p]; heavy += weights[p]; }
    weights[0] = heavy;
    const ${A} r = ${"total / heavy" if mean else "total"};
    ${store("out", "r", "0")}
}
% else:
__kernel void ct_${name}(long outer, long classes, long inner, long per_item, long ignore, ${A} smooth,
                         const __global ${X} *logp, const __global ${I} *target
% if weighted:
                         , const __global ${X} *weight
% endif
                         , const __global ${X} *g, const __global ${A} *weights, __global ${X} *out)
{
    const long first = (long)get_global_id(0) * per_item;
    const long last = min(outer * inner, first + per_item);
    for (long line = first; line < last; ++line) {
        const long o = line / inner, i = line - o * inner;
        const long at = o * classes * inner + i;
        const long t = target[line];
        const int off = t == ignore;
        const int bad = !off && (t < 0 || t >= classes);
        const ${A} scale = off ? 0 : ${load("g", "line" if each else "0")}${" / weights[0]" if mean else ""};
        ${A} hit = 0, all = 0;
        if (!off && !bad) {
            hit = (1 - smooth) * ${w};
            all = hit;
            if (smooth > 0)
                for (long c = 0; c < classes; ++c) all += smooth / classes * ${wc};
        }
        for (long c = 0; c < classes; ++c) {
            ${A} q = c == t ? hit : 0;
            if (smooth > 0) q += smooth / classes * ${wc};
            const ${A} r = off ? 0 : bad ? NAN : scale * (${"exp(%s) * all" % load("logp", "at + c * inner") if softmax else "0"} - q);
            ${store("out", "r", "at + c * inner")}
        }
    }
}
% endif
