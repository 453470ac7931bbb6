import { describe, expect, test } from '@jest/globals';
import { createJalaliFormatter } from '../../src/autodialer/jalali-date.ts';

describe('dates', () => {
  test.each([
    ['Asia/Tehran', '2021-03-08T13:28:50Z', '1399-12-18 16:58:50'],
    ['Asia/Tehran', '2021-03-20T20:29:59Z', '1399-12-30 23:59:59'],
    ['Asia/Tehran', '2021-03-20T20:30:00Z', '1400-01-01 00:00:00'],
    ['Asia/Tehran', '2022-06-01T19:30:00Z', '1401-03-12 00:00:00'],
    ['Asia/Tehran', '2023-06-01T20:30:00Z', '1402-03-12 00:00:00'],
    ['UTC', '2024-03-19T12:00:00Z', '1402-12-29 12:00:00'],
    ['UTC', '2025-03-20T12:00:00Z', '1403-12-30 12:00:00'],
    ['America/New_York', '2025-03-21T03:59:59Z', '1403-12-30 23:59:59'],
  ])('in %s the instant %s is written as %s', (timeZone, moment, written) => {
    expect(createJalaliFormatter(timeZone)(new Date(moment))).toBe(written);
  });
});
