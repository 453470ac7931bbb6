/** Contact files in the formats that programs export, each with the numbers that an autodialer can call. */
export type PhoneExport = readonly [
  program: string,
  content: string | Uint8Array<ArrayBuffer>,
  numbers: readonly string[],
];

const lines = (...rows: string[]) => rows.join('\r\n') + '\r\n';
const cards = (...each: (readonly string[])[]) =>
  each.map((card) => lines('BEGIN:VCARD', ...card, 'END:VCARD')).join('');

/** Encodes a text as UTF-16 with a byte order mark, like Excel's "Unicode text". */
export function encodeUtf16(text: string, isBigEndian = false): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(Buffer.from(`\ufeff${text}`, 'utf16le'));
  if (!isBigEndian) return bytes;
  for (let index = 0; index < bytes.length; index += 2)
    [bytes[index], bytes[index + 1]] = [bytes[index + 1]!, bytes[index]!];
  return bytes;
}

const googleOld =
  'Name,Given Name,Additional Name,Family Name,Yomi Name,Name Prefix,Name Suffix,Initials,Nickname,Short Name,Birthday,Gender,' +
  'Location,Billing Information,Occupation,Notes,Photo,Group Membership,E-mail 1 - Type,E-mail 1 - Value,Phone 1 - Type,' +
  'Phone 1 - Value,Phone 2 - Type,Phone 2 - Value,Phone 3 - Type,Phone 3 - Value,Organization 1 - Type,Website 1 - Value';
const googleNew =
  'First Name,Middle Name,Last Name,Phonetic First Name,File As,Organization Name,Birthday,Notes,Photo,Labels,' +
  'E-mail 1 - Label,E-mail 1 - Value,Phone 1 - Label,Phone 1 - Value,Phone 2 - Label,Phone 2 - Value';
const outlookEnglish =
  '"Title","First Name","Last Name","Company","Business Street","Business Postal Code","Assistant\'s Phone","Business Fax",' +
  '"Business Phone","Business Phone 2","Callback","Car Phone","Company Main Phone","Home Fax","Home Phone","Home Phone 2","ISDN",' +
  '"Mobile Phone","Other Fax","Other Phone","Pager","Primary Phone","Radio Phone","TTY/TDD Phone","Telex","Account","E-mail Address",' +
  '"Organizational ID Number","Priority"';
const outlookGerman =
  '"Anrede";"Vorname";"Nachname";"Firma";"Postleitzahl geschäftlich";"Fax geschäftlich";"Telefon geschäftlich";' +
  '"Telefon geschäftlich 2";"Autotelefon";"Telefon Firma";"Fax privat";"Telefon (privat)";"Telefon (privat 2)";"ISDN";"Mobiltelefon";' +
  '"Weiteres Fax";"Pager";"Telefon für Hörbehinderte";"Konto";"E-Mail-Adresse"';

export const phoneExports: readonly PhoneExport[] = [
  [
    'Google Contacts, the layout until 2023',
    lines(
      googleOld,
      'Ali,Ali,,,,,,,,,,,,,,1234567,,* myContacts,* Home,a@x.ir,Mobile,0912 111 1111 ::: +98 935 222 2222,Work Fax,021 8800 1122,Work,(021) 8800-1123,,http://x.ir/99999999',
      'Reza,Reza,,,,,,,,,1360-01-01,,,,,,,* myContacts,,,,,,,,,,',
      '"Sara, B.",Sara,,,,,,,,,,,,,,"two\nlines",,* myContacts,,,Mobile,۰۹۱۳۳۳۳۳۳۳۳,,,,,,',
    ),
    ['09121111111', '+989352222222', '02188001123', '09133333333'],
  ],
  [
    'Google Contacts, the layout since 2024',
    lines(
      googleNew,
      'Ali,,,,,,,,,* myContacts,* ,a@x.ir,Mobile,+98 912 111 1111,Work,021-88001122',
      'Reza,,,,,,,,,* myContacts,,,,,Home Fax,021-88001199',
      'Sara,,,,,,,,,* myContacts,,,Pager,021-88001198,Mobile,0935 444 4444;ext=3',
    ),
    ['+989121111111', '02188001122', '09354444444'],
  ],
  [
    'Google Contacts, vCard',
    cards(
      [
        'VERSION:3.0',
        'FN:Ali',
        'TEL;TYPE=CELL:+98 912 111 1111',
        'TEL;TYPE=HOME,FAX:021 88001199',
        'item1.TEL:021-88001122',
        'item1.X-ABLabel:Reception',
      ],
      ['VERSION:3.0', 'FN:Reza', 'TEL;TYPE=CELL:'],
    ),
    ['+989121111111', '02188001122'],
  ],
  [
    'Outlook in English',
    lines(
      outlookEnglish,
      '"","Ann","Lee","X","Main St 100","12345678","","+1 201 555 0100","+1 (201) 555-0101","+1 201 555 0102","","","+1 201 555 0103","+1 201 555 0104","","","","201.555.0105","","","","","","+1 201 555 0106","","77777777","a@x.com","88888888","Normal"',
      '"","Bo","Lee","","","","+1 201 555 0107","","","","","","","","+1 201 555 0108 x12","+1 201 555 0109,,34#","","","","","+1 201 555 0110","","","","","","","","Normal"',
    ),
    [
      '+12015550101',
      '+12015550102',
      '+12015550103',
      '2015550105',
      '+12015550107',
      '+12015550108',
      '+12015550109',
    ],
  ],
  [
    'Outlook in German',
    '\ufeff' +
      lines(
        outlookGerman,
        '"Herr";"Max";"Mühl";"X";"70173";"0711/12345-99";"0711/12345-0";"+49 (0)711 12345-1";"";"";"";"";"";"";"0170 / 1234567";"";"";"";"55555555";"m@x.de"',
        '"Frau";"Eva";"Süß";"";"10115";"";"";"";"0171-111 11 11";"030 111111";"030 222222";"(030) 33 33 33";"030–444444";"030 555555";"";"030 666666";"030 777777";"030 888888";"";""',
      ),
    ['0711123450', '+49711123451', '01701234567', '01711111111', '030111111', '030333333', '030444444'],
  ],
  [
    'an iPhone, vCard 3.0',
    cards([
      'VERSION:3.0',
      'PRODID:-//Apple Inc.//iPhone OS 17.0//EN',
      'N:;علی;;;',
      'TEL;type=CELL;type=VOICE;type=pref:\u202a+98 (912) 111-1111\u202c',
      'item1.TEL;type=pref:۰۲۱ ۸۸۰۰ ۱۱۲۲',
      'item1.X-ABLabel:_$!<Other>!$_',
      'TEL;type=HOME;type=FAX:021 88001199',
      'TEL;type=iPhone;type=CELL:0935\u00a0222\u00a02222',
      'item2.TEL:',
      'PHOTO;ENCODING=b;TYPE=JPEG:/9j/4AAQSkZJRgABAQAAAQABAAD/TEL',
      ' TEL:09990000000',
    ]),
    ['+989121111111', '02188001122', '09352222222'],
  ],
  [
    'macOS, in UTF-16',
    encodeUtf16(cards(['VERSION:3.0', 'FN:علی', 'TEL;type=CELL:0912 111 1111']), true),
    ['09121111111'],
  ],
  [
    'Samsung, vCard 2.1',
    cards(
      [
        'VERSION:2.1',
        'N;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:;=D8=B9=D9=84=DB=8C;;;',
        'TEL;X-CUSTOM(CHARSET=UTF-8,ENCODING=QUOTED-PRINTABLE,=D9=85=D8=AD=D9=84):09121111111',
        'TEL;CELL;PREF:0912-222-2222',
        'TEL;X-Unknown Type:09123333333',
      ],
      [
        'VERSION:2.1',
        'TEL;CELL;ENCODING=QUOTED-PRINTABLE;CHARSET=UTF-8:=DB=B0=DB=B9=DB=B1=DB=B2',
        'TEL;WORK;FAX:021',
      ],
    ),
    ['09121111111', '09122222222', '09123333333', '0912'],
  ],
  [
    'Nokia, vCard 2.1',
    cards([
      'VERSION:2.1',
      'TEL;CELL;VOICE:+989121111111p123',
      'TEL;PREF:0213333w1',
      'TEL;VOICE;FAX:02144445555',
      'TEL;PAGER:02155556666',
      'TEL;HOME;VOICE:',
    ]),
    ['+989121111111', '0213333', '02144445555'],
  ],
  [
    'WhatsApp, vCard',
    cards(['VERSION:3.0', 'FN:A', 'TEL;type=CELL;type=VOICE;waid=989121111111:+98 912 111 1111']),
    ['+989121111111'],
  ],
  [
    'Excel in Persian',
    '\ufeff' +
      lines(
        'ردیف,نام,شماره موبایل,شماره ثابت,تلفن منزل,کد ملی',
        '1,علی,۰۹۱۲۱۱۱۱۱۱۱,12,۰۲۱۸۸۰۰۱۱۲۲,0012345678',
        '2,رضا,"=""09122222222""",,,',
        "۳,سارا,'09123333333,,—,",
      ),
    ['09121111111', '02188001122', '09122222222', '09123333333'],
  ],
  [
    'Excel in Persian, headers in Arabic letters with zero-width non-joiners',
    lines('نام;شماره;تلفن\u200cهمراه;موبايل 2', 'علی;1;0912 111 1111;٠٩٣٥٢٢٢٢٢٢٢'),
    ['09121111111', '09352222222'],
  ],
  [
    'Excel in German',
    '\ufeff' +
      lines('Kundennummer;Telefon;Handy-Nr.;Fax', '10001;0711/1234567;;0711/1234568', '10002;;0170-1;'),
    ['07111234567', '01701'],
  ],
  [
    'Excel in German with its own first line',
    lines('sep=;', 'Nr.;Rufnummer', '1;0711 1', '2;0711 2'),
    ['07111', '07112'],
  ],
  ['Excel with a first line about tabs', lines('sep=\t', 'No\tMobile', '1\t0911,2'), ['0911']],
  [
    "Excel's text with tabs",
    lines('Name\tPhone\tNote', 'A, B; C\t0911 1\t1234567', 'D\t0911 2\t'),
    ['09111', '09112'],
  ],
  ["Excel's Unicode text", encodeUtf16(lines('نام\tموبایل', 'علی\t۰۹۱۲')), ['0912']],
  [
    'a number column next to row numbers',
    lines('Row Number,Mobile Number', '1,0911', '2,0912'),
    ['0911', '0912'],
  ],
  ['a number column next to ids', lines('id,name,cell', '7,A,0911'), ['0911']],
  ['faxes next to mobiles', lines('Fax Number,Mobile Number', '021,0911', '022,'), ['0911']],
  ['faxes alone, as a list of faxes is', lines('Name,Fax', 'A,021'), ['021']],
  ['"number" next to a phone', lines('Number,Phone', '1,0911'), ['0911']],
  [
    'several columns called number',
    lines('number 1,number 2', '0911,0912', ',0913'),
    ['0911', '0912', '0913'],
  ],
  [
    'names of programmers',
    lines('user_id,phoneNumber,mobile_phone,phone_type,phoneVerified', '5,0911,0912,3,1'),
    ['0911', '0912'],
  ],
  [
    'what is said of the number in brackets',
    lines('Phone number (with country code),Country code', '+98911,98'),
    ['+98911'],
  ],
  ['mobiles in Turkish', lines('Adı,Cep No,Cep Numarası', 'A,0532,0533'), ['0532', '0533']],
  ['Brazilian postal codes, called CEP, next to a phone', lines('CEP,Telefone', '01310100,0119'), ['0119']],
  [
    'area codes in Persian and German',
    lines(
      'پیش شماره تلفن;پیش\u200cشماره تماس;پیششماره تلفن;Telefon Ortsvorwahl;Telefon Vorwahl;Telefon Durchwahl;تلفن',
      '021;022;023;030;031;99;0911',
    ),
    ['0911'],
  ],
  [
    'attributes of phones',
    lines(
      'Phone Consent,Mobile opt in,mobileOptOut,phone_optin,Phone optout,Phone Score,Mobile Flag,phone_permission,Phone (opt)',
      '1,2,3,4,5,6,7,8,0911',
    ),
    ['0911'],
  ],
  ['a year between the headers', lines('Name,2024,Phone', 'A,5,0911'), ['0911']],
  ['years between the headers', lines('Phone,2023,2024', '0911,5,6'), ['0911']],
  ['years of the Persian calendar between the headers', lines('موبایل;۱۴۰۲;۱۴۰۳', '0911;5;6'), ['0911']],
  [
    'cells to the right of the header, none of which is a number',
    lines('Phone', '0911,A,,2021-03-08', '02188001122,,12#', '0912,'),
    ['0911', '02188001122', '0912'],
  ],
  [
    'several numbers in a cell',
    lines('Phone,Name', '"0912 111 1111\n0935 222 2222",A', '09121111111 / 09353333333,B'),
    ['09121111111', '09352222222', '09353333333'],
  ],
  ['a float of a data frame', lines(',phone', '0,9121111111.0'), ['9121111111']],
  [
    'every number of a line without a header',
    lines('Ali,0912 111 1111,0935-222-2222', 'Reza,,09363333333'),
    ['09121111111', '09352222222', '09363333333'],
  ],
  [
    'kinds of phones without a header',
    lines('۰۹۱۲۱۱۱۱۱۱۱,موبایل,علی', '۰۹۱۲۲۲۲۲۲۲۲,موبایل,رضا'),
    ['09121111111', '09122222222'],
  ],
  [
    'a list of numbers, some with a pause',
    lines(
      '09121111111',
      '02188001122,,12#',
      '02188001133,34',
      '02188001144;5',
      '1111,2222',
      '09352222222,09363333333',
    ),
    [
      '09121111111',
      '02188001122',
      '02188001133',
      '02188001144',
      '1111',
      '2222',
      '09352222222',
      '09363333333',
    ],
  ],
  [
    'a list of numbers, the first with a pause',
    lines('02188001122,,12#', '09121111111'),
    ['02188001122', '09121111111'],
  ],
  [
    'notes with a number in them, without a header',
    lines('0912 111 1111,x,09129999999 ::: ask', '0912 222 2222,-,'),
    ['09121111111', '09122222222'],
  ],
  [
    'row numbers without a header',
    lines('1,Ali,09121111111', '2,Reza,09352222222'),
    ['09121111111', '09352222222'],
  ],
  [
    'dates and amounts without a header',
    lines('09121111111,2021-03-08,12.50', '09122222222,2021-03-09,13.50'),
    ['09121111111', '09122222222'],
  ],
];
