-- A copy of the database knows no key and no secret.
UPDATE sms_gateway
   SET testing_key = NULL,
       testing_secret = NULL
 WHERE code = 'testing';
