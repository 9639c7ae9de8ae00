/* The kernels once more, for the benchmark: arrays come with their sizes, numbers as they are, the result's array last.
 * The same algorithms, so that what is compared is the compiler. */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#define MAX(a, b) ((a) > (b) ? (a) : (b))
#define MIN(a, b) ((a) < (b) ? (a) : (b))
typedef const double *F;
typedef const long long *I;
typedef long long L;

static int ascending(const void *a, const void *b) {
    double x = *(F)a, y = *(F)b;
    return (x > y) - (x < y);
}

void growth(F x, L n, double held, double *out) {
    for (L i = 0; i < n; i++) {
        out[n + i] = 0;
        if (isnan(x[i]) || isnan(held)) out[i] = NAN;
        else if (x[i] < held) { out[i] = x[i]; out[n + i] = 1; }
        else out[i] = x[i] - held;
        if (!isnan(x[i])) held = x[i];
    }
}

void bucket_sums(I bucket, L nb, F x, L n, L buckets, double *out) {
    memset(out, 0, 2 * buckets * sizeof(double));
    for (L i = 0; i < n; i++)
        if (!isnan(x[i])) { out[bucket[i]] += x[i]; out[buckets + bucket[i]] += 1; }
    for (L b = 0; b < buckets; b++) if (out[buckets + b] == 0) out[b] = NAN;
}

void tumbling(F x, L n, L width, double *out) {
    L m = (n + width - 1) / width;
    for (L w = 0; w < m; w++) {
        L count = 0, end = MIN(n, (w + 1) * width);
        double total = 0, least = INFINITY, greatest = -INFINITY, squares = 0;
        for (L i = w * width; i < end; i++)
            if (!isnan(x[i])) { count++; total += x[i]; least = MIN(least, x[i]); greatest = MAX(greatest, x[i]); }
        for (L r = 1; r < 6; r++) out[r * m + w] = NAN;
        out[w] = count;
        if (!count) continue;
        double mean = total / count;
        out[m + w] = total; out[2 * m + w] = mean; out[3 * m + w] = least; out[4 * m + w] = greatest;
        for (L i = w * width; i < end; i++) if (!isnan(x[i])) squares += (x[i] - mean) * (x[i] - mean);
        if (count > 1) out[5 * m + w] = sqrt(squares / (count - 1));
    }
}

void sliding(F x, L n, L width, double *out) {
    L count = 0;
    double pivot = 0, total = 0, squares = 0;
    for (L i = 0; i < n; i++) {
        if (i % width == 0) {
            L first = MAX(0, i - width + 1);
            count = 0; pivot = 0; total = 0; squares = 0;
            for (L j = first; j < i; j++) if (!isnan(x[j])) { count++; pivot += x[j]; }
            pivot = count ? floor(pivot / count) : 0;
            for (L j = first; j < i; j++)
                if (!isnan(x[j])) { double d = x[j] - pivot; total += d; squares += d * d; }
        } else if (i >= width && !isnan(x[i - width])) {
            double d = x[i - width] - pivot;
            count--; total -= d; squares -= d * d;
        }
        if (!isnan(x[i])) { double d = x[i] - pivot; count++; total += d; squares += d * d; }
        out[i] = count; out[n + i] = out[2 * n + i] = out[3 * n + i] = NAN;
        if (count) {
            out[n + i] = count * pivot + total;
            out[2 * n + i] = pivot + total / count;
            if (count > 1) out[3 * n + i] = sqrt(MAX(0.0, squares - total * total / count) / (count - 1));
        }
    }
}

void sliding_extremes(F x, L n, L width, double *out) {
    L *queue = malloc(n * sizeof(L));
    for (int row = 0; row < 2; row++) {
        double sign = row ? -1 : 1;
        L head = 0, tail = 0;
        for (L i = 0; i < n; i++) {
            if (!isnan(x[i])) {
                while (tail > head && sign * x[queue[tail - 1]] >= sign * x[i]) tail--;
                queue[tail++] = i;
            }
            if (tail > head && queue[head] <= i - width) head++;
            out[row * n + i] = tail > head ? x[queue[head]] : NAN;
        }
    }
    free(queue);
}

/* The columns found are n wide here; how many there are the benchmark knows from the kernel. */
void sessions(F x, L n, L idle, double *out) {
    L found = 0, quiet = 0;
    int is_open = 0;
    double *all = calloc(4 * n, sizeof(double));
    for (L i = 0; i < n; i++) {
        if (x[i] > 0) {
            if (!is_open) { all[found++] = i; is_open = 1; }
            quiet = 0;
            all[n + found - 1] = i + 1 - all[found - 1];
            all[2 * n + found - 1] += x[i];
            all[3 * n + found - 1] = MAX(all[3 * n + found - 1], x[i]);
        } else if (is_open && !isnan(x[i])) is_open = ++quiet < idle;
    }
    for (int r = 0; r < 4; r++) memcpy(out + r * found, all + r * n, found * sizeof(double));
    free(all);
}

static double between(F ordered, L count, double share) {
    double place = (count - 1) * share;
    L low = (L)place, high = MIN(low + 1, count - 1);
    return ordered[low] + (place - low) * (ordered[high] - ordered[low]);
}

void tumbling_percentiles(F x, L n, L width, F shares, L s, double *out) {
    L m = (n + width - 1) / width;
    double *known = malloc(width * sizeof(double));
    for (L w = 0; w < m; w++) {
        L count = 0;
        for (L i = w * width; i < MIN(n, (w + 1) * width); i++) if (!isnan(x[i])) known[count++] = x[i];
        qsort(known, count, sizeof(double), ascending);
        for (L k = 0; k < s; k++) out[k * m + w] = count ? between(known, count, shares[k]) : NAN;
    }
    free(known);
}

void sliding_percentile(F x, L n, L width, double share, double *out) {
    double *ordered = malloc(width * sizeof(double));
    L count = 0;
    for (L i = 0; i < n; i++) {
        if (i >= width && !isnan(x[i - width])) {
            L at = 0;
            while (ordered[at] < x[i - width]) at++;
            count--;
            for (L j = at; j < count; j++) ordered[j] = ordered[j + 1];
        }
        if (!isnan(x[i])) {
            L at = count++;
            for (; at > 0 && ordered[at - 1] > x[i]; at--) ordered[at] = ordered[at - 1];
            ordered[at] = x[i];
        }
        out[i] = count ? between(ordered, count, share) : NAN;
    }
    free(ordered);
}

void sliding_slope(F v, L n, L width, double *out) {
    for (L i = 0; i < n; i++) {
        L first = MAX(0, i - width + 1), count = 0;
        double xm = 0, ym = 0, xx = 0, xy = 0, yy = 0;
        out[i] = out[n + i] = NAN;
        for (L j = first; j <= i; j++) if (!isnan(v[j])) { count++; xm += j - first; ym += v[j]; }
        if (count < 3) continue;
        xm /= count; ym /= count;
        for (L j = first; j <= i; j++)
            if (!isnan(v[j])) { double x = j - first - xm, y = v[j] - ym; xx += x * x; xy += x * y; yy += y * y; }
        out[i] = xy / xx;
        out[n + i] = sqrt(MAX(0.0, yy - xy * xy / xx) / (count - 2) / xx);
    }
}

void theil_sen(F v, L n, double z, double *out) {
    double *slopes = malloc(n * n * sizeof(double) / 2 + 8);
    L count = 0, pairs = 0;
    for (L i = 0; i < n; i++) {
        if (isnan(v[i])) continue;
        count++;
        for (L j = 0; j < i; j++) if (!isnan(v[j])) slopes[pairs++] = (v[i] - v[j]) / (i - j);
    }
    qsort(slopes, pairs, sizeof(double), ascending);
    out[0] = 0.5 * (slopes[(pairs - 1) / 2] + slopes[pairs / 2]);
    double spread = z * sqrt(count * (count - 1) * (2 * count + 5) / 18.0);
    out[1] = slopes[MAX(0, (L)((pairs - spread) / 2))];
    out[2] = slopes[MIN(pairs - 1, (L)((pairs + spread) / 2))];
    free(slopes);
}

void smoothed(F x, L n, double share, double level, double *out) {
    for (L i = 0; i < n; i++) {
        if (!isnan(x[i])) level = isnan(level) ? x[i] : level + share * (x[i] - level);
        out[i] = level;
    }
}

void occupancy_clamped(F came, L n, F went, L n2, double inside, double *out) {
    for (L i = 0; i < n; i++) {
        double step = came[i] - went[i];
        if (!isnan(step)) { inside += step; if (inside < 0) inside = 0; }
        out[i] = inside;
    }
}

void occupancy_calibrated(F came, L n, F went, L n2, double ratio, double inside, double *out) {
    double root = sqrt(ratio);
    for (L i = 0; i < n; i++) {
        double step = came[i] / root - went[i] * root;
        if (!isnan(step)) inside = MAX(0.0, inside + step);
        out[i] = inside;
    }
}

void door_ratios(F came, L n, F went, L n2, F complete, L n3, double forget, double prior, double *out) {
    double a = 0, d = 0;
    for (L i = 0; i < n; i++) {
        out[i] = (a + prior) / (d + prior);
        if (complete[i] >= 0.95) { a = forget * a + came[i]; d = forget * d + went[i]; }
    }
    out[n] = (a + prior) / (d + prior);
}

void occupancy_kalman(F came, L n, F went, L n2, F seen, L n3, double ratio, double share, double x, double p, F noise,
                      L n4, double *out) {
    double root = sqrt(ratio);
    for (L i = 0; i < n; i++) {
        double step = came[i] / root - went[i] * root;
        if (isnan(step)) p += noise[1] + noise[2];
        else { x = MAX(0.0, x + step); p += noise[0] * (came[i] + went[i]) + noise[1]; }
        if (!isnan(seen[i])) {
            double gain = p * share / (share * share * p + x * share * (1 - share) + 1);
            x = MAX(0.0, x + gain * (seen[i] - share * x));
            p *= 1 - gain * share;
        }
        out[i] = x; out[n + i] = p;
    }
}

void occupancy_reconciled(F came, L n, F went, L n2, double *out) {
    double a = 0, d = 0;
    for (L i = 0; i < n; i++) if (!isnan(came[i]) && !isnan(went[i])) { a += came[i]; d += went[i]; }
    double ratio = d > 0 ? a / d : 0;
    a = d = 0;
    for (L i = 0; i < n; i++) {
        if (!isnan(came[i]) && !isnan(went[i])) { a += came[i]; d += went[i]; }
        out[i] = MAX(0.0, a - ratio * d);
    }
}

void presence(F x, L n, double seconds, double capacity, double *out) {
    L count = 0, at = 0, someone = 0, full = 0;
    double total = 0, peak = -1;
    for (L i = 0; i < n; i++) {
        if (isnan(x[i])) continue;
        count++; total += x[i]; someone += x[i] > 0; full += x[i] >= capacity;
        if (x[i] > peak) { peak = x[i]; at = i; }
    }
    for (int r = 0; r < 8; r++) out[r] = NAN;
    if (!count) return;
    out[0] = total * seconds; out[1] = total / count; out[2] = peak; out[3] = at;
    out[4] = (double)count / n; out[6] = (double)someone / count;
    if (capacity > 0) { out[5] = total / count / capacity; out[7] = (double)full / count; }
}

void serving_rate(F length, L n, F left, L n2, F prior, L n3, L width, double weight, double *out) {
    L busy = 0;
    double served = 0;
    for (L i = 0; i < n; i++) {
        L gone = i - width;
        if (gone >= 0 && length[gone] > 0 && !isnan(left[gone])) { busy--; served -= left[gone]; }
        if (length[i] > 0 && !isnan(left[i])) { busy++; served += left[i]; }
        out[i] = (served + weight * prior[i]) / (busy + weight);
    }
}

void wait_now(F length, L n, F rate, L n2, F shares, L s, double *out) {
    for (L i = 0; i < n; i++) {
        for (L k = 0; k <= s; k++) out[k * n + i] = NAN;
        if (isnan(length[i]) || !(rate[i] > 0)) continue;
        out[i] = (length[i] + 0.5) / rate[i];
        L stages = (L)length[i] + 1;
        double factorial = 0;
        for (L k = 2; k < stages; k++) factorial += log(k);
        for (L q = 0; q < s; q++) {
            double low = 0, high = stages + 12 * sqrt(stages) + 40;
            for (int turn = 0; turn < 60; turn++) {
                double x = 0.5 * (low + high), term = 1, tail = 1;
                for (L k = stages - 1; k > 0; k--) { term *= k / x; tail += term; }
                if (1 - exp((stages - 1) * log(x) - x - factorial) * tail < shares[q]) low = x; else high = x;
            }
            out[(1 + q) * n + i] = 0.5 * (low + high) / rate[i];
        }
    }
}

void abandoned_share(F joined, L n, F served, L n2, L lag, L width, double *out) {
    double came = 0, got = 0;
    for (L i = 0; i < n; i++) out[i] = NAN;
    for (L i = lag; i < n; i++) {
        L gone = i - width;
        if (!isnan(joined[i - lag]) && !isnan(served[i])) { came += joined[i - lag]; got += served[i]; }
        if (gone >= lag && !isnan(joined[gone - lag]) && !isnan(served[gone])) { came -= joined[gone - lag]; got -= served[gone]; }
        if (came > 0 && gone >= lag - 1) out[i] = MAX(0.0, 1 - got / came);
    }
}

static double waits(double offered, L k, double *blocked) {
    *blocked = offered * *blocked / (k + offered * *blocked);
    return *blocked / (1 - offered / k * (1 - *blocked));
}

void erlang_c(F lanes, L n, F load, L n2, double *out) {
    for (L i = 0; i < n; i++) {
        L servers = (L)lanes[i];
        double blocked = 1, chance = NAN, a = load[i];
        for (L k = 1; k < servers; k++) blocked = a * blocked / (k + a * blocked);
        if (a > 0 && a < servers) chance = waits(a, servers, &blocked);
        out[i] = chance; out[n + i] = chance * a / (servers - a); out[2 * n + i] = chance / (servers - a);
    }
}

void lanes_needed(F arrivals, L n, double rate, double patience, double level, L most, L hold, double *out) {
    L opened = 0, below = 0, wanted = 0;
    for (L i = 0; i < n; i++) {
        if (isnan(arrivals[i])) { out[i] = opened ? opened : NAN; continue; }
        double offered = arrivals[i] / rate, blocked = 1;
        L needed = most;
        for (L k = 1; k <= most; k++) {
            double chance = waits(offered, k, &blocked);
            if (k > offered && chance * exp(-(k * rate - arrivals[i]) * patience) <= 1 - level) { needed = k; break; }
        }
        if (needed >= opened) { opened = needed; below = wanted = 0; }
        else {
            wanted = MAX(wanted, needed);
            if (++below >= hold) { opened = wanted; below = wanted = 0; }
        }
        out[i] = opened;
    }
}

void mean_stay(F present, L n, F passed, L n2, double seconds, L width, double *out) {
    for (L w = 0; w * width < n; w++) {
        double total = 0, persons = 0;
        for (L i = w * width; i < MIN(n, (w + 1) * width); i++)
            if (!isnan(present[i]) && !isnan(passed[i])) { total += present[i]; persons += passed[i]; }
        out[w] = persons > 0 ? total * seconds / persons : NAN;
    }
}

void stay_per_visit(F seconds, L n, F visits, L n2, double longest, double *out) {
    for (L i = 0; i < n; i++) {
        double stay = seconds[i] / visits[i];
        out[i] = visits[i] > 0 && stay <= longest ? stay : NAN;
    }
}

void stay_distribution(F entered, L n, F left, L n2, I edges, L e, L rounds, double *shares) {
    L bins = e - 1, reach = edges[e - 1], uses = 0;
    double *came = calloc(n + 1, 8), *holes = calloc(n + 1, 8), *earlier = malloc(n * bins * 8), *told = malloc(n * 8);
    double weight[64] = {0}, gained[64];
    for (L i = 0; i < n; i++) {
        int gap = isnan(entered[i]);
        came[i + 1] = came[i] + (gap ? 0 : entered[i]);
        holes[i + 1] = holes[i] + gap;
    }
    for (L t = reach; t < n; t++) {
        if (isnan(left[t]) || holes[t + 1] != holes[t + 1 - reach]) continue;
        for (L b = 0; b < bins; b++) {
            double a = (came[t + 1 - edges[b]] - came[t + 1 - edges[b + 1]]) / (edges[b + 1] - edges[b]);
            earlier[uses * bins + b] = a;
            weight[b] += a;
        }
        told[uses++] = left[t];
    }
    for (L b = 0; b < bins; b++) shares[b] = 1.0 / bins;
    for (L r = 0; r < rounds; r++) {
        memset(gained, 0, sizeof gained);
        for (L u = 0; u < uses; u++) {
            F a = earlier + u * bins;
            double expected = 0;
            for (L b = 0; b < bins; b++) expected += a[b] * shares[b];
            if (expected > 0) for (L b = 0; b < bins; b++) gained[b] += a[b] * (told[u] / expected);
        }
        for (L b = 0; b < bins; b++) shares[b] = weight[b] > 0 ? shares[b] * gained[b] / weight[b] : NAN;
    }
    free(came); free(holes); free(earlier); free(told);
}

void share_with_interval(F hits, L n, F trials, L n2, double z, double fewest, double *out) {
    for (L i = 0; i < n; i++) {
        double t = trials[i], p = hits[i] / t;
        out[i] = out[n + i] = out[2 * n + i] = NAN;
        if (!(t >= fewest) || isnan(hits[i]) || t <= 0) continue;
        double middle = (p + z * z / (2 * t)) / (1 + z * z / t);
        double half = z / (1 + z * z / t) * sqrt(MAX(0.0, p * (1 - p) / t + z * z / (4 * t * t)));
        out[i] = p; out[n + i] = MIN(p, MAX(0.0, middle - half)); out[2 * n + i] = MAX(p, MIN(1.0, middle + half));
    }
}

void completeness(F x, L n, F expected, L n2, L width, double *out) {
    for (L w = 0; w * width < n; w++) {
        double known = 0, whole = 0;
        for (L i = w * width; i < MIN(n, (w + 1) * width); i++)
            if (!isnan(expected[i])) { whole += expected[i]; if (!isnan(x[i])) known += expected[i]; }
        out[w] = whole > 0 ? known / whole : NAN;
    }
}

void slot_baseline(F history, L weeks, L slots, double weight, double *out) {
    double *median = malloc(slots * 8), *counts = malloc(slots * 8), known[64], square = 0, excess = 0;
    for (L s = 0; s < slots; s++) {
        L n = 0;
        for (L w = 0; w < weeks; w++) if (!isnan(history[w * slots + s])) known[n++] = history[w * slots + s];
        qsort(known, n, 8, ascending);
        counts[s] = n;
        median[s] = n ? 0.5 * (known[(n - 1) / 2] + known[n / 2]) : NAN;
    }
    for (L s = 0; s < slots; s++) {
        double total = 0, around = 0, m = median[s], both[2] = {median[(s + slots - 1) % slots], median[(s + 1) % slots]};
        for (int k = 0; k < 2; k++) if (!isnan(both[k])) { total += both[k]; around++; }
        out[s] = !around ? m : counts[s] ? (counts[s] * m + weight * total / around) / (counts[s] + weight) : total / around;
        for (L w = 0; counts[s] > 1 && w < weeks; w++) {
            double off = history[w * slots + s] - m;
            if (!isnan(off)) { square += m * m; excess += off * off * (counts[s] / (counts[s] - 1)) - m; }
        }
    }
    for (L s = 0; s < slots; s++)
        out[slots + s] = excess > 0 && square > 0 ? MIN(1e6, MAX(0.1, square / excess)) : 1e6;
    free(median); free(counts);
}

void episodes(F counts, L n, F expected, L n2, double r, double stay, double lift, F start, L n3, double *out) {
    double state[3] = {start[0], start[1], start[2]}, seen[3], leave = 0.5 * (1 - stay);
    for (L i = 0; i < n; i++) {
        double total = state[0] + state[1] + state[2], most = -INFINITY;
        for (int s = 0; s < 3; s++) state[s] = stay * state[s] + leave * (total - state[s]);
        if (!isnan(counts[i]) && expected[i] > 0) {
            for (int s = 0; s < 3; s++) {
                double mean = s == 1 ? expected[i] * lift : s == 2 ? expected[i] / lift : expected[i];
                double spread = log(r + mean);
                seen[s] = counts[i] * (log(mean) - spread) - r * spread;
                most = MAX(most, seen[s]);
            }
            for (int s = 0; s < 3; s++) state[s] *= exp(seen[s] - most);
        }
        total = state[0] + state[1] + state[2];
        for (int s = 0; s < 3; s++) { state[s] /= total; out[s * n + i] = state[s]; }
    }
}

void silence(F counts, L n, F expected, L n2, double r, double told, double *out) {
    for (L i = 0; i < n; i++) {
        if (counts[i] > 0) told = 0;
        else if (!isnan(counts[i]) && expected[i] > 0) told -= r * log1p(expected[i] / r);
        out[i] = told;
    }
}

void zone_balance(F counts, L lines, L n, F effects, L zones, L same, F start, L n2, double *out) {
    memset(out, 0, zones * n * 8);
    for (L z = 0; z < zones; z++) {
        double *o = out + z * n, inside = start[z];
        for (L c = 0; c < lines; c++) {
            double effect = effects[z * lines + c];
            if (effect != 0) for (L i = 0; i < n; i++) o[i] += effect * counts[c * n + i];
        }
        for (L i = 0; i < n; i++) {
            if (!isnan(o[i])) { inside += o[i]; if (inside < 0) inside = 0; }
            o[i] = inside;
        }
    }
}

void flow_matrix(F present, L n, L k, F entered, L n2, L k2, F allowed, L k3, L k4, L rounds, double *out) {
    double *normal = calloc(k * k * k, 8), *right = calloc(k * k, 8);
    memset(out, 0, k * k * 8);
    for (L t = 0; t < n - 1; t++) {
        F here = present + t * k, next = here + k, came = entered + t * k;
        int gap = 0;
        for (L j = 0; j < k; j++) gap |= isnan(here[j]) || isnan(next[j]) || isnan(came[j]);
        if (gap) continue;
        for (L j = 0; j < k; j++)
            for (L i = 0; i < k; i++) {
                double weighted = here[i] * (1 / (1 + here[j]));
                right[j * k + i] += weighted * (next[j] - came[j]);
                for (L m = 0; m < k; m++) normal[(j * k + i) * k + m] += weighted * here[m];
            }
    }
    for (L j = 0; j < k; j++)
        for (L r = 0; r < rounds; r++) {
            double moved = 0;
            for (L i = 0; i < k; i++) {
                double own = normal[(j * k + i) * k + i], off = right[j * k + i];
                if (!(allowed[i * k + j] > 0 && own > 0)) continue;
                for (L m = 0; m < k; m++) off -= normal[(j * k + i) * k + m] * out[m * k + j];
                double share = MIN(1.0, MAX(0.0, out[i * k + j] + off / own));
                moved = MAX(moved, fabs(share - out[i * k + j]));
                out[i * k + j] = share;
            }
            if (moved < 1e-12) break;
        }
    for (L i = 0; i < k; i++) {
        double total = 0;
        for (L j = 0; j < k; j++) total += out[i * k + j];
        for (L j = 0; total > 1 && j < k; j++) out[i * k + j] /= total;
    }
    free(normal); free(right);
}

void bottleneck(F inflow, L n, F outflow, L n2, double slack, double piled, double *out) {
    for (L i = 0; i < n; i++) {
        double step = inflow[i] - outflow[i];
        if (!isnan(step)) { piled += step - slack; if (piled < 0) piled = 0; }
        out[i] = piled;
    }
}

void heat(F x, L places, L n, I slot, L n2, L slots, double *out) {
    for (L c = 0; c < places * slots; c++) out[c] = NAN;
    for (L p = 0; p < places; p++)
        for (L i = 0; i < n; i++) {
            double *cell = out + p * slots + slot[i], v = x[p * n + i];
            if (!isnan(v)) *cell = isnan(*cell) ? v : *cell + v;
        }
}
